"""A name server on loopback that holds what a test gives it, and a resolver that asks it alone."""

import socket
import threading

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class PlayedDns:
    """Answers UDP with `records` (by name and type), NXDOMAIN for other names, SERVFAIL while it `fails`,
    and nothing while `silent`."""

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.records = records or {}
        self.silent = self.fails = False
        self.asked: list[tuple[str, str]] = []

    def __enter__(self) -> "PlayedDns":
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())  # wakes the thread, which then ends
        self._thread.join()
        self._socket.close()

    def resolver(self) -> dns.resolver.Resolver:
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], self._socket.getsockname()[1]
        return made

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            try:
                query = dns.message.from_wire(wire)
            except dns.exception.DNSException:
                continue
            if not self.silent:
                self._socket.sendto(self._answer(query).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.asked.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if self.fails:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif held := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *held))
        elif not any(name == each for each, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
