"""The two ends between which a sender lies: the usual tutorial's way, and bytes that are only pushed out."""

import smtplib
import socket
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from tests.bench.sender import bodies


def tutorial(port: int, letters: int) -> float:
    """µs of CPU a letter: an EmailMessage and a new connection for each recipient."""
    html, plain = bodies()
    began = time.process_time()
    for number in range(letters):
        message = EmailMessage()
        message["Subject"] = "Larkspur vs Second Pair"
        message["From"] = "digest@verdicts.example"
        message["To"] = f"reader-{number}@reader.example"
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="verdicts.example")
        message.set_content(plain)
        message.add_alternative(html, subtype="html")
        with smtplib.SMTP("127.0.0.1", port) as connection:
            connection.send_message(message)
    return (time.process_time() - began) / letters * 1e6


def bytes_alone(port: int, letters: int) -> float:
    """µs of CPU a letter: the same bytes for everybody on one connection, no ledger, nothing composed."""
    html, plain = bodies()
    letter = ("Subject: x\r\n\r\n" + (html + plain).replace("\n", "\r\n") + "\r\n.\r\n").encode()
    envelope = b"MAIL FROM:<a@verdicts.example>\r\nRCPT TO:<b@reader.example>\r\nDATA\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = connection.makefile("rb")
        answers.readline()
        began = time.process_time()
        for _ in range(letters):
            connection.sendall(envelope)
            for _ in range(3):
                answers.readline()
            connection.sendall(letter)
            answers.readline()
        return (time.process_time() - began) / letters * 1e6
