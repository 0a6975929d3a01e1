"""The systemd end of sd_notify(3): receives the notifications of a service."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

from support.scenes.sites import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable


class NotifySocket:
    """Listens at an address as in NOTIFY_SOCKET: a path, or a name after "@"."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.received: list[str] = []
        """Every line received so far."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(TIMEOUT_SECONDS)

    def listen(self) -> list[str]:
        """Return the lines of the next datagram. Raises `TimeoutError` without one."""
        lines = self._socket.recv(4096).decode().splitlines()
        self.received += lines
        return lines

    def listen_until(self, awaited: Callable[[str], bool]) -> list[str]:
        """Receive until such a line; return the lines received from now on."""
        begin = len(self.received)
        while not any(map(awaited, self.received[begin:])):
            self.listen()
        return self.received[begin:]

    def is_silent(self) -> bool:
        """Return whether no datagram is pending."""
        return not select.select([self._socket], [], [], 0)[0]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
