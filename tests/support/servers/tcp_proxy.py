"""A TCP proxy in front of a database server, which does to connections what a network does.

It can cut them (all at once, after so many bytes, before a commit arrives or before its reply
does), refuse new ones, and fall silent.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK_BYTES = 65536
COMMITS = (b"COMMIT\0", b"\x03COMMIT")
"""How psycopg and PyMySQL send it: at the end of what they send, they wait for the reply."""


class Cut(Enum):
    """Where at a commit the connection is cut: either way the client cannot know its outcome."""

    BEFORE_COMMIT = "the server never hears of it"
    BEFORE_REPLY = "the server has committed, and its reply is lost"


class Proxy:
    """Made and closed by `proxied`; every method may be called from any thread."""

    def __init__(self, port: int) -> None:
        self.cuts = 0
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._commit_cut: Cut | None = None
        self._cut_commits: Counter[Cut] = Counter()
        self._bytes_left: int | None = None
        self._refusing = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> int:
        """Cut every connection; return how many there were."""
        with self._lock:
            links, self._links = self._links, set()
            self.cuts += len(links)
        for link in links:
            link.close()
        return len(links)

    def cut_at_next_commit(self, where: Cut) -> None:
        """Cut the connection that commits next, once."""
        with self._lock:
            self._commit_cut = where

    def take_cuts_at_commits(self) -> Counter[Cut]:
        """How many connections were cut at a commit; what was still to be cut is let through."""
        with self._lock:
            self._commit_cut = None
            return self._cut_commits.copy()

    def cut_after(self, number: int) -> None:
        """Cut the connection on which the server's next `number` bytes have passed, once."""
        with self._lock:
            self._bytes_left = number

    def refuse(self) -> None:
        """Close every new connection at once, until `allow`."""
        self._refusing = True

    def stall(self) -> None:
        """Let nothing through any more, and close nothing, until `allow`."""
        self._flowing.clear()

    def allow(self) -> None:
        """Let connections come, and bytes flow."""
        self._refusing = False
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
        """Wait while nothing is let through."""
        self._flowing.wait()

    def take_commit_cut(self) -> Cut | None:
        """What is to happen to the commit that has just come by."""
        with self._lock:
            taken, self._commit_cut = self._commit_cut, None
            if taken is not None:
                self._cut_commits[taken] += 1
            return taken

    def passes(self, number: int) -> int | None:
        """How many of the server's `number` bytes are let through before a cut; None for all."""
        with self._lock:
            if self._bytes_left is None:
                return None
            if number < self._bytes_left:
                self._bytes_left -= number
                return None
            passed, self._bytes_left = self._bytes_left, None
            return passed

    def drop(self, link: _Link, *, is_cut: bool) -> None:
        """A link has come to its end."""
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
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._reply_is_lost = False

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
        """Carry what the client says; True when the proxy cuts."""
        while data := self._client.recv(CHUNK_BYTES):
            self._proxy.wait_for_flow()
            if data.endswith(COMMITS):
                match self._proxy.take_commit_cut():
                    case Cut.BEFORE_COMMIT:
                        return True
                    case Cut.BEFORE_REPLY:
                        self._reply_is_lost = True
            self._server.sendall(data)
        return False

    def _to_client(self) -> bool:
        """Carry what the server says; True when the proxy cuts."""
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
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy in front of what listens on `port` of 127.0.0.1."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
