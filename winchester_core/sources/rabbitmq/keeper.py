"""A thread that keeps a session alive while its source is busy with something else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winchester_core.sources.rabbitmq.session import Session

LONGEST_PAUSE_SECONDS = 1.0


class Keeper:
    """Heartbeats go on, and those of the broker are read, however long a transaction takes."""

    def __init__(self, session: Session, heartbeat_seconds: float) -> None:
        self._session = session
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, heartbeat_seconds / 4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rabbitmq-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the end of the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause_seconds):
            self._session.keep_alive()
