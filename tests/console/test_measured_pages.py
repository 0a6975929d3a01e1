"""Every page of the console and every list of its API is measured by the benchmark."""

from __future__ import annotations

from benchmarks.console_targets import unmeasured_routes
from support.builders.console_rows import BulkSite


def test_every_route_is_measured() -> None:
    assert unmeasured_routes(BulkSite(80_000)) == []
