"""One chaos run: programs, injected faults, and the final check."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from chaos.place import START, Place
from chaos.storm import Storm
from chaos.verdict import Verdict
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.database_servers import PrivateServer, private_server
from support.servers.tcp_proxy import Proxy, proxied
from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTLE_SECONDS = 2 * BOUND_SECONDS
"""Time limit for the remaining work after the last fault."""


@dataclass(frozen=True)
class Report:
    """The injected faults, all survived, and the work repeated because of them."""

    database: str
    seed: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"chaos on {self.database}, seed {self.seed}: survived", *self.lines])


def run(database: str, folder: Path, *, seconds: float, seed: int) -> Report:
    """Inject faults for this long, let the programs finish, and check their work.

    Raises `AssertionError` when something was lost or done twice. No process outlives it.
    """
    with _database(database, folder) as (url, server, proxy):
        site = Site(folder, url)
        site.migrate()
        with program_group(site) as programs:
            place = Place(site, programs, random.Random(seed))
            place.open()
            storm = Storm(place, seed, server, proxy)
            storm.rage(seconds)
            storm.calm_down()
            _finish(place, storm)
        verdict = Verdict(site)
        verdict.check(place.sent)
    return _report(database, seed, storm, verdict)


@contextmanager
def _database(
    backend: str, folder: Path
) -> Iterator[tuple[str | None, PrivateServer | None, Proxy | None]]:
    """Yield the URL of the programs' database, its server, and the proxy between them."""
    if backend == "sqlite":
        yield None, None, None
        return
    with private_server(backend) as server, proxied(server.port) as proxy:
        yield server.url_through(proxy.port), server, proxy


def _finish(place: Place, storm: Storm) -> None:
    """Let the ingesters ingest the rest, and the workers complete and deliver it."""
    place.complete()
    wait_until(lambda: not any("ingester" in name for name in storm.tend()), SETTLE_SECONDS)
    with place.site.store() as store:
        store.advance_event_clock(START + timedelta(days=1000))

        def all_is_done() -> bool:
            storm.tend()
            states = set(store.count_states())
            return states == {StreamState.COMPLETED} and store.count_effects() == 0

        wait_until(all_is_done, SETTLE_SECONDS)
    assert {name: place.member(name).end() for name in place.names} == dict.fromkeys(place.names, 0)


def _report(database: str, seed: int, storm: Storm, verdict: Verdict) -> Report:
    attempts = sum(stream.attempts for stream in verdict.streams)
    lines = [f"{number:6} x {fault}" for fault, number in sorted(storm.injected.items())]
    lines += [
        f"{storm.ended_at_their_start:6} x a program began while the server was away, and ended",
        f"{len(verdict.events):6} events stored once",
        f"{len(verdict.streams):6} streams completed once, in {attempts} runs",
        f"{verdict.committed_again:6} commits of runs that did not complete their stream",
        f"{2 * len(verdict.streams):6} effects recorded once and delivered",
        f"{verdict.delivered_again:6} of their deliveries repeated",
    ]
    return Report(database, seed, tuple(lines))
