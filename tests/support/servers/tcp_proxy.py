"""A TCP proxy in front of a database server that simulates network faults.

It can cut connections (all at once, after a number of bytes, before a commit arrives or before its
reply does), refuse new ones, stall, and answer with an error of MariaDB in place of the server.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

CHUNK_BYTES = 65536
COMMITS = (b"COMMIT\0", b"\x03COMMIT")
"""Commit messages of psycopg and PyMySQL: the end of a send, followed by waiting for the reply."""


class Cut(Enum):
    """Point at which a connection is cut during a commit; the client cannot know its outcome."""

    BEFORE_COMMIT = "the server never receives the commit"
    BEFORE_REPLY = "the server has committed, and its reply is lost"


MARIADB_QUERY = 3
"""First byte of a command that carries a statement, after the four bytes of the packet's header."""


def mariadb_error(number: int, sequence: int) -> bytes:
    """Return an error packet of the MariaDB protocol."""
    error = b"\xff" + struct.pack("<H", number) + b"#HY000injected by the proxy"
    return struct.pack("<I", len(error) | sequence << 24) + error


class Proxy:
    """A proxy, created and closed by `proxied`; methods may be called from any thread."""

    def __init__(
        self, port: int, listen: tuple[str, int], tls: ssl.SSLContext | None = None
    ) -> None:
        self.cuts = 0
        self._tls = tls
        self._server_port = port
        self._listener = socket.create_server(listen)
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._commit_cut: Cut | None = None
        self._cut_commits: Counter[Cut] = Counter()
        self._bytes_left: int | None = None
        self._refusing = False
        self._connect_error: int | None = None
        self._query_error: int | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """The number of connections."""
        with self._lock:
            return len(self._links)

    def cut(self) -> int:
        """Cut every connection; return how many there were."""
        with self._lock:
            links, self._links = self._links, set()
            self.cuts += len(links)
        for link in links:
            link.close()
        return len(links)

    def cut_at_next_commit(self, where: Cut) -> None:
        """Cut the connection of the next commit, once."""
        with self._lock:
            self._commit_cut = where

    def take_cuts_at_commits(self) -> Counter[Cut]:
        """Return the number of connections cut at a commit, and cancel a pending cut."""
        with self._lock:
            self._commit_cut = None
            return self._cut_commits.copy()

    def cut_after(self, number: int) -> None:
        """Cut the connection after the server's next `number` bytes, once."""
        with self._lock:
            self._bytes_left = number

    def refuse(self) -> None:
        """Close every new connection at once, until `allow`."""
        self._refusing = True

    def answer_with_mariadb_error(self, number: int, *, connecting: bool) -> None:
        """Answer every new connection, or every query, with an error, until `allow`."""
        if connecting:
            self._connect_error = number
            self.cut()
        else:
            self._query_error = number

    def switch_to(self, port: int) -> None:
        """Connect new connections to another server; the others stay."""
        self._server_port = port

    def stall(self) -> None:
        """Forward nothing and close nothing, until `allow`."""
        self._flowing.clear()

    def allow(self) -> None:
        """Accept connections and forward again."""
        self._refusing = False
        self._connect_error = self._query_error = None
        self._flowing.set()

    def close(self) -> None:
        """Close everything."""
        # shutdown wakes the thread that accepts; closing alone would leave it waiting
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.allow()
        self.cut()
        self._thread.join()

    # --- what links ask -------------------------------------------------------------------

    def wait_for_flow(self) -> None:
        """Wait while stalled."""
        self._flowing.wait()

    def error_for(self, data: bytes) -> bytes | None:
        """Return the error with which to answer these bytes of a client; None to forward them."""
        number = self._query_error
        is_query = len(data) > 4 and data[4] == MARIADB_QUERY
        return mariadb_error(number, 1) if number is not None and is_query else None

    def take_commit_cut(self) -> Cut | None:
        """Return the cut for the commit that has just arrived."""
        with self._lock:
            taken, self._commit_cut = self._commit_cut, None
            if taken is not None:
                self._cut_commits[taken] += 1
            return taken

    def passes(self, number: int) -> int | None:
        """Return how many of the server's `number` bytes to forward before a cut; None for all."""
        with self._lock:
            if self._bytes_left is None:
                return None
            if number < self._bytes_left:
                self._bytes_left -= number
                return None
            passed, self._bytes_left = self._bytes_left, None
            return passed

    def drop(self, link: _Link, *, is_cut: bool) -> None:
        """Remove an ended link."""
        with self._lock:
            self._links.discard(link)
            self.cuts += is_cut
        link.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            if self._connect_error is not None:
                client.sendall(mariadb_error(self._connect_error, 0))
                client.close()
                continue
            try:
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()


class _Link:
    """A client's connection and the matching one to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._reply_is_lost = False
        for end in (client, server):  # a request in two parts must not wait for acknowledgements
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        for carry in (self._to_server, self._to_client):
            threading.Thread(target=self._pump, args=(carry,), name="proxy", daemon=True).start()

    def close(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pump(self, carry: Callable[[], bool]) -> None:
        try:
            is_cut = carry()
        except OSError:  # the other pump, or a cut of all, has closed the sockets
            is_cut = False
        self._proxy.drop(self, is_cut=is_cut)

    def _to_server(self) -> bool:
        """Forward from the client; return True when the proxy cuts."""
        while data := self._client.recv(CHUNK_BYTES):
            self._proxy.wait_for_flow()
            if (error := self._proxy.error_for(data)) is not None:
                self._client.sendall(error)
                continue
            if data.endswith(COMMITS):
                match self._proxy.take_commit_cut():
                    case Cut.BEFORE_COMMIT:
                        return True
                    case Cut.BEFORE_REPLY:
                        self._reply_is_lost = True
            self._server.sendall(data)
        return False

    def _to_client(self) -> bool:
        """Forward from the server; return True when the proxy cuts."""
        while data := self._server.recv(CHUNK_BYTES):
            self._proxy.wait_for_flow()
            if self._reply_is_lost:
                return True
            passed = self._proxy.passes(len(data))
            self._client.sendall(data if passed is None else data[:passed])
            if passed is not None:
                return True
        return False


@contextmanager
def proxied(
    port: int, listen: tuple[str, int] = ("127.0.0.1", 0), tls: ssl.SSLContext | None = None
) -> Iterator[Proxy]:
    """Yield a proxy in front of `port` of 127.0.0.1 that listens on an address and a port.

    With `tls`, it terminates the TLS of clients.
    """
    proxy = Proxy(port, listen, tls)
    try:
        yield proxy
    finally:
        proxy.close()
