"""A server of the http source within the test's process, its pump, and a store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from support.servers.http_source import Endpoint, Gate

if TYPE_CHECKING:
    from collections.abc import Iterator


class Serve(Protocol):
    """Starts an endpoint with these parameters; `definitions` are those of notifications."""

    def __call__(self, *, definitions: Any = None, **params: Any) -> Endpoint: ...


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Holds the pumps of the test's endpoints with what they have received, once it is shut."""
    with Gate() as gate:
        yield gate


@pytest.fixture
def serve(gate: Gate) -> Iterator[Serve]:
    """Start endpoints; all end with the test."""
    running: list[Endpoint] = []

    def start(*, definitions: Any = None, **params: Any) -> Endpoint:
        running.append(Endpoint(definitions, params))
        return running[-1]

    yield start
    gate.open()
    for endpoint in running:
        endpoint.end()
