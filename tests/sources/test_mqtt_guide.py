"""The mapping in the how-to page on MQTT makes events of messages that a broker delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from support.probes.page_blocks import blocks_of
from support.probes.time_limits import BOUND_SECONDS
from support.servers.mosquitto import mqtt_publisher, private_mosquitto
from winchester_core.bootstrap import load_settings
from winchester_core.bootstrap.definitions import mapping_set
from winchester_core.ingest.decoding import Decoder
from winchester_core.sources.mqtt import MqttSource

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'{"time": "2026-03-14T10:00:00Z", "value": 21}'


def test_levels_of_the_topic_become_traits(checkout: Path) -> None:
    page = checkout / "docs" / "how-to" / "mqtt.md"
    (block,) = [each for each in blocks_of(page, checkout) if "mapping_definitions" in each.text]
    content = yaml.safe_load(block.text)
    settings = load_settings({"database": {"url": "sqlite://"}, **content}, environ={})
    entry = settings.event_sources["plant"]
    with private_mosquitto() as broker:
        source = MqttSource(**{**entry.params, "url": broker.url})
        try:
            source.open()
            with mqtt_publisher("127.0.0.1", broker.port) as publisher:
                publisher.publish("plant/press-7/sensor/oil", BODY)
            [message] = source.receive(1, BOUND_SECONDS)
            [clean] = Decoder(None, mapping_set(settings)).mapped_message(message)
            source.ack([message])
        finally:
            source.close()
    event = clean.event
    assert event["event_type"] == "plant.measured"
    assert (event["machine"], event["sensor"], event["value"]) == ("press-7", "oil", 21.0)
