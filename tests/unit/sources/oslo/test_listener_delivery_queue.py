from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from voluptuous import Invalid

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.errors import PluginError
from winchester_core.plugins import EVENT_SOURCES, import_plugin
from winchester_core.sources.oslo import OsloSource
from winchester_core.sources.oslo.listener import DeliveryQueue

WAIT_SECONDS = BOUND_SECONDS


class Call(threading.Thread):
    """A thread of oslo.messaging that delivers a batch, and the result that it gets."""

    def __init__(self, queue: DeliveryQueue, *incoming: Any) -> None:
        super().__init__(daemon=True)
        self.returned: set[Any] | None = None
        self._queue, self._incoming = queue, incoming
        self.start()

    def run(self) -> None:
        self.returned = self._queue.dispatch(self._incoming)

    def result(self) -> set[Any] | None:
        self.join(WAIT_SECONDS)
        return self.returned


def test_a_delivered_batch_is_held_until_all_of_it_is_settled() -> None:
    queue = DeliveryQueue(["info"])
    call = Call(queue, "a", "b", "c")
    pending_messages = queue.take(2, WAIT_SECONDS) + queue.take(2, WAIT_SECONDS)
    assert [pending.message for pending in pending_messages] == ["a", "b", "c"]
    pending_messages[0].settle()
    pending_messages[1].settle(requeue=True)
    assert call.returned is None
    pending_messages[2].settle()
    assert call.result() == {"b"}


def test_a_settled_message_stays_settled() -> None:
    queue = DeliveryQueue(["info"])
    call = Call(queue, "a", "b")
    first, second = queue.take(2, WAIT_SECONDS)
    first.settle()
    first.settle(requeue=True)
    queue.close()
    second.settle()
    assert call.result() == {"b"}


def test_a_closed_queue_does_not_block() -> None:
    queue = DeliveryQueue(["info"])
    queue.close()
    assert queue.dispatch(["a"]) == {"a"}
    assert queue.take(1, 0.0) == []


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"topics": []}, "length of value must be at least 1"),
        ({"priorities": ["loud"]}, "value must be one of"),
        ({"prefetch": 0}, "a whole number of 1 to 65535"),
        ({"batch_seconds": 0}, "a number of at least 0.001"),
    ],
)
def test_each_configuration_error_is_reported(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        OsloSource(**params)


def test_a_missing_oslo_messaging_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in [name for name in sys.modules if name.startswith("winchester_core.sources.oslo")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "oslo_messaging", None)
    with pytest.raises(
        PluginError, match=r"needs oslo_messaging: pip install 'winchester-core\[oslo\]"
    ):
        import_plugin(EVENT_SOURCES, "oslo")
