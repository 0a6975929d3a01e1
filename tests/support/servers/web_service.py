"""A web service that responds as scripted by a test, and records its requests."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with headers and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Drip:
    """A response that never ends: `start`, then `repeated` every 20 ms."""

    start: bytes
    repeated: bytes


Behaviour: TypeAlias = int | Answer | Drip | Literal["hang", "reset", "hang up"]
"""A status; or no response, a reset connection, or a closed one."""


@dataclass(frozen=True, slots=True)
class Request:
    """A received request. The names of `headers` are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.body)


class Endpoint:
    """Responds with the given behaviours in order; the last one stays."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}/"
        self.requests: list[Request] = []
        self.released = threading.Event()
        self._behaviours: list[Behaviour] = [204]
        self._lock = threading.Lock()

    def answer(self, *behaviours: Behaviour) -> None:
        """Set the responses to the next requests."""
        with self._lock:
            self._behaviours = list(behaviours)

    def receive(self, request: Request) -> Behaviour:
        """Record a request; return the behaviour for it."""
        with self._lock:
            self.requests.append(request)
            return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]


class _Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        named = {name.lower(): value for name, value in self.headers.items()}
        match self.endpoint.receive(Request(self.path, named, self.rfile.read(length))):
            case "hang":
                self.endpoint.released.wait()
                self.close_connection = True
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.rfile.close()
                self.connection.close()
            case "hang up":
                self.close_connection = True
            case Drip() as drip:
                self.close_connection = True
                self.connection.sendall(drip.start)
                with contextlib.suppress(OSError):  # the other side has hung up
                    while not self.endpoint.released.wait(0.02):
                        self.connection.sendall(drip.repeated)
            case Answer() as answer:
                self._say(answer)
            case status:
                self._say(Answer(status))

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the other side has hung up
            super().finish()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection: a test checks the client."""


@contextmanager
def http_endpoint(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Endpoint]:
    """Yield a running web service on `port` (0: its own); release hanging requests at the end."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", port), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        endpoint = Endpoint(server.server_address[1], "https" if tls else "http")
        handler.endpoint = endpoint
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.released.set()
            server.shutdown()
            thread.join()
