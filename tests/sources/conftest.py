"""Fixtures of tests of sources against real servers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.servers.brokers import Place, place_on_broker
from winchester_core.sources.rabbitmq import RabbitmqSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def place() -> Iterator[Place]:
    """Queues and exchanges of one test on the local broker."""
    with place_on_broker() as made:
        yield made


@pytest.fixture
def opened(place: Place) -> Iterator[Callable[..., RabbitmqSource]]:
    """Open a source on the local broker; it is closed afterwards."""
    with ExitStack() as stack:

        def open_source(*queues: Any, **params: Any) -> RabbitmqSource:
            source = RabbitmqSource(queues=list(queues), url=place.url, **params)
            stack.callback(source.close)
            source.open()
            return source

        yield open_source
