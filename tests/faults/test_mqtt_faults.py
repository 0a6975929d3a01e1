"""Mosquitto and the ingester with all faults combined: nothing is lost, nothing stored twice.

`docs/how-to/mqtt.md` has the command for a run with 20,000 messages.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.scenes.source_faults import Origin, run_with_faults
from support.servers.mosquitto import create_session, mqtt_publisher, private_mosquitto
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.background_publisher import Publish
    from support.servers.mosquitto import Mosquitto

TOPIC = "nova/compute"
SHARED = f"$share/winchester/{TOPIC}"


def test_every_notification_is_stored_exactly_once(tmp_path: Path) -> None:
    with private_mosquitto() as broker, proxied(broker.port) as proxy:
        params = {"url": f"mqtt://127.0.0.1:{proxy.port}", "subscriptions": [SHARED]}
        client_ids = ("ingester-1", "ingester-2")
        # a message is kept from the first subscription on, and the publisher does not wait for it
        create_session("127.0.0.1", broker.port, client_ids[0], SHARED)
        origin = Origin(
            proxy,
            entries=[
                {"source": "mqtt", "params": {"client_id": client_id, **params}}
                for client_id in client_ids
            ],
            open_publisher=lambda: publisher(broker),
            unsettled=broker.count_unacknowledged,
            restart=broker.restart,
        )
        run_with_faults(origin, tmp_path)


@contextmanager
def publisher(broker: Mosquitto) -> Iterator[Publish]:
    """Publish until a session keeps the message.

    Mosquitto 2.0.11 does not restore shared subscriptions when it starts again. Until an ingester
    has connected, it confirms messages and drops them.
    """
    with mqtt_publisher("127.0.0.1", broker.port) as made:
        yield lambda body: made.publish(TOPIC, body, to_subscribers=True)
