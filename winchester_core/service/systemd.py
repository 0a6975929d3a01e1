"""What systemd is told of a service of ``Type=notify`` or ``notify-reload``.

That it is at work, alive, reading its configuration again, or stopping.

The protocol of sd_notify(3) and sd_watchdog_enabled(3): datagrams of ``NAME=value`` lines to the
socket that the environment names. Without that nothing is sent.
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
    from types import TracebackType
    from typing import Self

    from winchester_core.telemetry.watchdog import Watchdog

logger = logging.getLogger(__name__)

STATUS_SECONDS: Final = 10.0
"""How often the status is told, where no watchdog asks for more."""

STOPPING: Final = "stopping: finishing what is in hand"


class SystemdNotifier:
    """Whoever started the process, if it wants to be told; a context manager around the work.

    From `ready` on, a thread tells the status, and that the process is alive: only while no part
    that `heartbeat` knows of is overdue. The environment's variables are taken out, so that
    programs which a handler starts do not speak for this one.
    """

    def __init__(
        self,
        heartbeat: Watchdog,
        status: Callable[[], str],
        environ: MutableMapping[str, str] = os.environ,
    ) -> None:
        self._heartbeat, self._status = heartbeat, status
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        self._watchdog_seconds = _watchdog_seconds(environ)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._was_overdue: list[str] = []
        self._is_stopping = False
        self._remark = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def ready(self) -> None:
        """The configuration and the database are as they should be: at work."""
        if self._address:
            self._tell("READY=1", f"STATUS={self._status()}")
            self._thread.start()

    def reloading(self) -> None:
        """The configuration is being read again; `reloaded` is to follow. Any thread may call it.

        systemd tells by the time that this is about its latest request, not one before.
        """
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1_000_000)}")

    def reloaded(self, remark: str = "") -> None:
        """At work by the configuration that is now in force; `remark` is added to the status."""
        self._remark = remark
        if not self._is_stopping:
            self._tell("READY=1", f"STATUS={self._present_status()}")

    def stopping(self) -> None:
        """Told to end: finishing what is in hand. Any thread may call it."""
        self._is_stopping = True
        self._tell("STOPPING=1", f"STATUS={STOPPING}")

    def _run(self) -> None:
        while not self._done.wait(self._watchdog_seconds / 2 or STATUS_SECONDS):
            overdue = self._heartbeat.overdue()
            if overdue != self._was_overdue:
                self._log(overdue)
            if overdue:
                self._tell(f"STATUS=hangs: {', '.join(overdue)}")
            else:
                self._tell(f"STATUS={self._present_status()}", *self._sign_of_life())

    def _present_status(self) -> str:
        if self._is_stopping:
            return STOPPING
        return "; ".join(text for text in (self._status(), self._remark) if text)

    def _sign_of_life(self) -> tuple[str, ...]:
        return ("WATCHDOG=1",) if self._watchdog_seconds else ()

    def _log(self, overdue: list[str]) -> None:
        self._was_overdue = overdue
        if overdue:
            logger.error("nothing was heard of %s for too long", ", ".join(overdue))
        else:
            logger.warning("everything is alive again")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            logger.warning("systemd could not be told %s: %s", lines[0], error)


def _address(name: str) -> str:
    """The socket's address; "@" stands for the null byte of one that is in no directory."""
    return f"\0{name[1:]}" if name.startswith("@") else name


def _watchdog_seconds(environ: MutableMapping[str, str]) -> float:
    """How often a sign of life is wanted at least; 0 when none is, or of another process."""
    text, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not text.isdigit() or pid not in ("", str(os.getpid())):
        return 0.0
    return int(text) / 1_000_000
