"""An SMTP server (RFC 5321) that responds as scripted by a test, and records its messages."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from email.message import EmailMessage

Behaviour: TypeAlias = Literal["accept", "hang", "drip"] | str
"""Accept messages; respond to nothing; send a greeting that never ends; or a reply to RCPT."""


class MailServer:
    """Records envelope recipients and messages. `behaviour` may be changed at any time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.behaviour: Behaviour = "accept"
        self.recipients: list[str] = []
        self.messages: list[EmailMessage] = []
        self.released = threading.Event()


class _Session(socketserver.StreamRequestHandler):
    mail: MailServer

    def handle(self) -> None:
        if self.mail.behaviour in ("hang", "drip"):
            with contextlib.suppress(OSError):  # the client has hung up
                while not self.mail.released.wait(0.02):
                    if self.mail.behaviour == "drip":
                        self.wfile.write(b"2")
            return
        self._say("220 mail.example.org ESMTP")
        for line in self.rfile:
            command = line.decode("ascii", "replace").strip()
            match command.split()[0].upper() if command else "":
                case "EHLO" | "HELO":
                    self._say("250-mail.example.org\r\n250 AUTH PLAIN LOGIN")
                case "AUTH":
                    self._say("235 2.7.0 accepted")
                case "RCPT" if self.mail.behaviour != "accept":
                    self._say(self.mail.behaviour)
                case "RCPT":
                    self.mail.recipients.append(command.partition(":")[2].strip("<> "))
                    self._say("250 2.1.5 OK")
                case "DATA":
                    self._say("354 go ahead")
                    self.mail.messages.append(self._read_message())
                    self._say("250 2.0.0 queued")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 2.0.0 OK")

    def _read_message(self) -> EmailMessage:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b"."))
        return message_from_bytes(b"".join(lines), policy=policy.default)

    def _say(self, reply: str) -> None:
        self.wfile.write(reply.encode() + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection: a test checks the client."""


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """Yield a running mail server, with TLS from the start if given; end hanging sessions after."""
    handler = type("Session", (_Session,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        mail = MailServer(server.server_address[1])
        handler.mail = mail
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield mail
        finally:
            mail.released.set()
            server.shutdown()
            thread.join()
