"""Notifications to systemd for services of ``Type=notify`` or ``notify-reload``.

Implements sd_notify(3) and sd_watchdog_enabled(3): datagrams with ``NAME=value`` lines are sent to
the socket that an environment variable names. If there is no such variable, nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Self

    from winchester_core.telemetry.watchdog import Watchdog

logger = logging.getLogger(__name__)

STATUS_SECONDS: Final = 10.0
"""Interval of status notifications if there is no systemd watchdog."""

STOPPING: Final = "stopping: finishing the work in progress"


class SystemdNotifier:
    """Context manager that notifies systemd of readiness, status, liveness, reload and shutdown.

    After `ready`, a thread sends the status, and a watchdog ping unless a component of `watchdog`
    is overdue. The variables are removed from the environment, so that programs that handlers start
    do not send notifications in the name of this process.
    """

    def __init__(
        self,
        watchdog: Watchdog,
        status: Callable[[], str],
        environ: MutableMapping[str, str] = os.environ,
    ) -> None:
        self._watchdog, self._status = watchdog, status
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        self._watchdog_seconds = _watchdog_seconds(environ)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._overdue: list[str] = []
        self._is_stopping = False
        self._reload_problem = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def ready(self) -> None:
        """Notify that the process is ready, and start the notifications of its status."""
        if self._address:
            self._send("READY=1", f"STATUS={self._status()}")
            self._thread.start()

    def reloading(self) -> None:
        """Notify that a reload has begun; call `reloaded` after it. Thread-safe.

        The notification contains the time, by which systemd relates it to its latest request.
        """
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1_000_000)}")

    def reloaded(self, problem: str = "") -> None:
        """Notify that the reload has ended. If there is a `problem`, it is added to the status."""
        self._reload_problem = problem
        if not self._is_stopping:
            self._send("READY=1", f"STATUS={self._current_status()}")

    def stopping(self) -> None:
        """Notify that the process is shutting down. Thread-safe."""
        self._is_stopping = True
        self._send("STOPPING=1", f"STATUS={STOPPING}")

    def _run(self) -> None:
        while not self._done.wait(self._watchdog_seconds / 2 or STATUS_SECONDS):
            overdue = self._watchdog.overdue()
            if overdue != self._overdue:
                self._log(overdue)
            if overdue:
                self._send(f"STATUS=hangs: {', '.join(overdue)}")
            else:
                ping = ("WATCHDOG=1",) if self._watchdog_seconds else ()
                self._send(f"STATUS={self._current_status()}", *ping)

    def _current_status(self) -> str:
        if self._is_stopping:
            return STOPPING
        return "; ".join(text for text in (self._status(), self._reload_problem) if text)

    def _log(self, overdue: list[str]) -> None:
        self._overdue = overdue
        if overdue:
            logger.error("watchdog deadline missed: components=%s", ", ".join(overdue))
        else:
            logger.warning("watchdog deadlines met again")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            logger.warning("systemd notification failed: message=%s error=%s", lines[0], error)


def _address(name: str) -> str:
    """Return the address of a Unix socket. A leading "@" means an abstract socket (null byte)."""
    return f"\0{name[1:]}" if name.startswith("@") else name


def _watchdog_seconds(environ: MutableMapping[str, str]) -> float:
    """Return systemd's watchdog timeout; 0 if it has none for this process."""
    text, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not text.isdigit() or pid not in ("", str(os.getpid())):
        return 0.0
    return int(text) / 1_000_000
