"""So many clients with votes of their own who ask for the first page all the time, in a process of their own.

It says when somebody was refused, and ends with a line on its input: the longest wait, and every status there was.
"""

import sys
import threading

from tests.bench.slow_clients import ask


def main(port: int, clients: int) -> None:
    over, refused = threading.Event(), threading.Event()
    answers: list[tuple[float, str]] = []

    def hammer(number: int) -> None:
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: voter=%d\r\n\r\n" % number
        while not over.is_set():
            seconds, answer = ask(port, request, 20)
            answers.append((seconds, answer[9:12].decode()))
            if answer.startswith(b"HTTP/1.1 503"):
                refused.set()

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(clients)]
    for each in threads:
        each.start()
    if refused.wait(20):
        print("somebody was refused", flush=True)
    sys.stdin.readline()
    over.set()
    for each in threads:
        each.join()
    print(max(seconds for seconds, _ in answers), *sorted({status for _, status in answers}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
