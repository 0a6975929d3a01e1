"""Fixtures of tests of sources against real servers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.servers.brokers import BrokerNamespace, broker_namespace
from support.servers.mosquitto import MqttNamespace, mqtt_namespace
from winchester_core.sources.rabbitmq import RabbitmqSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def namespace() -> Iterator[BrokerNamespace]:
    """Queues and exchanges of one test on the local broker."""
    with broker_namespace() as made:
        yield made


@pytest.fixture
def opened(namespace: BrokerNamespace) -> Iterator[Callable[..., RabbitmqSource]]:
    """Open a source on the local broker; it is closed afterwards."""
    with ExitStack() as stack:

        def open_source(*queues: Any, **params: Any) -> RabbitmqSource:
            source = RabbitmqSource(queues=list(queues), url=namespace.url, **params)
            stack.callback(source.close)
            source.open()
            return source

        yield open_source


@pytest.fixture
def mqtt() -> Iterator[MqttNamespace]:
    """Topics and sessions of one test on the local MQTT broker."""
    with mqtt_namespace() as made:
        yield made
