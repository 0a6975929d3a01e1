"""A server of the http source in the test process, its pump, and a store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from support.servers.http_source import Endpoint, Gate

if TYPE_CHECKING:
    from collections.abc import Iterator


class Serve(Protocol):
    """Starts an endpoint with these parameters; `definitions` are event definitions."""

    def __call__(self, *, definitions: Any = None, **params: Any) -> Endpoint: ...


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Blocks the pumps of the test's endpoints after a receive while closed."""
    with Gate() as gate:
        yield gate


@pytest.fixture
def serve(gate: Gate) -> Iterator[Serve]:
    """Start endpoints, which end with the test."""
    running: list[Endpoint] = []

    def start(*, definitions: Any = None, **params: Any) -> Endpoint:
        running.append(Endpoint(definitions, params))
        return running[-1]

    yield start
    gate.open()
    for endpoint in running:
        endpoint.end()
