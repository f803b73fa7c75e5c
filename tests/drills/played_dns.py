"""A DNS server on loopback that answers from a table, and says of every other name that it does not exist."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = Mapping[tuple[str, str], str]
"""What stands there, by name and type: `("verdicts.example", "MX"): "10 mail.verdicts.example."`."""


@contextlib.contextmanager
def played(records: Records) -> Iterator[int]:
    """The UDP port of a server with these records, as long as the block runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(server, records))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", server.getsockname())
            thread.join()


def _serve(server: socket.socket, records: Records) -> None:
    while True:
        asked, who = server.recvfrom(4096)
        if not asked:
            return
        server.sendto(_answer(dns.message.from_wire(asked), records).to_wire(), who)


def _answer(query: dns.message.Message, records: Records) -> dns.message.Message:
    answer = dns.message.make_response(query, recursion_available=True)
    [question] = query.question
    name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    if found := records.get((name, kind)):
        answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, found))
    elif not any(each == name or each.endswith(f".{name}") for each, _ in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer
