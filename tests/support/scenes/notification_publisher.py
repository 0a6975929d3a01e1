"""A program that publishes notifications with confirms, through all failures."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

from amqp.exceptions import AMQPError
from kombu import Connection

from support.probes.time_limits import BOUND_SECONDS

WAIT_SECONDS = BOUND_SECONDS


class Notifier:
    """Publishes messages in a thread; unconfirmed ones are published again."""

    def __init__(self, url: str, exchange: str, routing_key: str) -> None:
        self.published: list[str] = []
        self._url, self._exchange, self._key = url, exchange, routing_key
        self._wanted = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="notifier")
        self._thread.start()

    def publish(self, number: int) -> None:
        """Publish this many more in the background."""
        with self._changed:
            self._wanted += number
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until the broker has confirmed all of them."""
        with self._changed:
            done = lambda: len(self.published) == self._wanted  # noqa: E731
            assert self._changed.wait_for(done, WAIT_SECONDS), "the broker confirms nothing"

    def close(self) -> None:
        """Stop, even with messages left to publish."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over:
            try:
                with Connection(
                    self._url,
                    connect_timeout=1,
                    transport_options={"confirm_publish": True, "read_timeout": 10},
                ) as connection:
                    connection.connect()
                    self._publish_on(connection.Producer())
            except (OSError, AMQPError):
                with self._changed:
                    self._changed.wait(0.2)

    def _publish_on(self, producer: Any) -> None:
        while self._is_wanted():
            number = len(self.published)
            notification = make_notification(number)
            producer.publish(
                json.dumps(notification if number % 2 else enveloped(notification)),
                exchange=self._exchange,
                routing_key=self._key,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
            )
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
