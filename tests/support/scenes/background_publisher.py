"""Publisher of notifications in a thread, which publishes through all failures of its broker."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from support.probes.time_limits import BOUND_SECONDS

WAIT_SECONDS = BOUND_SECONDS
RETRY_SECONDS = 0.2

Publish = Callable[[bytes], object]
"""Publishes a message, and returns when the broker has confirmed it. Raises any error otherwise."""

OpenPublisher = Callable[[], AbstractContextManager[Publish]]
"""Opens a connection of an independent client; it is opened again after each error."""


class BackgroundPublisher:
    """Publishes one notification after the other; one that is not confirmed is published again.

    Every second notification is in an envelope of oslo.messaging.
    """

    def __init__(self, open_publisher: OpenPublisher) -> None:
        self.published: list[str] = []
        """Ids of the confirmed messages."""
        self._open = open_publisher
        self._wanted = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._last_error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, number: int) -> None:
        """Publish this many more in the background."""
        with self._changed:
            self._wanted += number
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until the broker has confirmed all of them."""
        with self._changed:
            is_done = self._changed.wait_for(
                lambda: len(self.published) == self._wanted, WAIT_SECONDS
            )
            assert is_done, f"not confirmed: {self._last_error!r}"

    def close(self) -> None:
        """Stop, even with messages left to publish."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive(), "the publisher hangs"

    def _run(self) -> None:
        while not self._is_over:
            try:
                with self._open() as publish:
                    self._publish_all(publish)
            except Exception as error:  # noqa: BLE001 - any client, with errors of its own
                with self._changed:
                    self._last_error = error
                    self._changed.wait_for(lambda: self._is_over, RETRY_SECONDS)

    def _publish_all(self, publish: Publish) -> None:
        while self._is_wanted():
            number = len(self.published)
            notification = make_notification(number)
            publish(json.dumps(notification if number % 2 else enveloped(notification)).encode())
            with self._changed:
                self.published.append(notification["message_id"])
                self._changed.notify_all()

    def _is_wanted(self) -> bool:
        """Wait for something to publish; return False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or len(self.published) < self._wanted)
            return not self._is_over


def make_notification(number: int) -> dict[str, Any]:
    """Return the notification of that number, which always has the same id."""
    return {
        "message_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"notification {number}")),
        "event_type": "compute.instance.update",
        "publisher_id": f"compute.host-{number % 7}",
        "timestamp": f"2015-01-20 10:{number // 60 % 60:02}:{number % 60:02}.000000",
        "priority": "INFO",
        "payload": {"instance_id": f"instance-{number % 50}"},
    }


def enveloped(notification: dict[str, Any]) -> dict[str, Any]:
    """Return the notification in the envelope of oslo.messaging."""
    return {"oslo.version": "2.0", "oslo.message": json.dumps(notification)}
