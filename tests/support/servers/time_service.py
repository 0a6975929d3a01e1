"""A time service with the protocol of StackTach v3's Winchester."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class TimeService:
    """Returns the last time POSTed; records all requests, and the bodies of POST.

    With another `status` than 200 every request fails, and POST changes nothing.
    """

    def __init__(self) -> None:
        self.answer = b""
        self.status = 200
        self.requests: list[str] = []
        self.published: list[str] = []
        self.endpoint = ""


@contextmanager
def time_service(port: int = 0) -> Iterator[TimeService]:
    """Run a time service on 127.0.0.1; 0 means any free port."""
    service = TimeService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.requests.append(f"GET {self.path}")
            self._reply(service.answer)

        def do_POST(self) -> None:
            service.requests.append(f"POST {self.path}")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if service.status == 200:
                service.answer = body
                service.published.append(body.decode())
            self._reply(b"")

        def _reply(self, body: bytes) -> None:
            self.send_response(service.status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    service.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
