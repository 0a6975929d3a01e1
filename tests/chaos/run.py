"""Chaos run: programs, injected faults, and the final check."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from chaos.chaos_site import MIXED, START, ChaosSite
from chaos.fault_injector import FaultInjector
from chaos.final_state import FinalState
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.database_servers import DatabaseServer, private_server
from support.servers.tcp_proxy import Proxy, proxied
from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.scenes.worker_settings import WorkerSettings

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


def run(
    database: str,
    folder: Path,
    *,
    seconds: float,
    seed: int,
    workers: Sequence[WorkerSettings] = MIXED,
) -> Report:
    """Inject faults for this long, let the programs finish, and check their work.

    The workers have these settings in turn.

    Raises `AssertionError` when something was lost or done twice. No process outlives it.
    """
    with _database(database, folder) as (url, server, proxy):
        site = Site(folder, url)
        site.migrate()
        with program_group(site) as programs:
            chaos_site = ChaosSite(site, programs, random.Random(seed), workers)
            chaos_site.open()
            injector = FaultInjector(chaos_site, seed, server, proxy)
            injector.inject_for(seconds)
            injector.recover()
            _finish(chaos_site, injector)
            _end_workers(chaos_site, injector)
        final_state = FinalState(site)
        final_state.check(chaos_site.sent)
    return _report(database, seed, injector, final_state)


@contextmanager
def _database(
    backend: str, folder: Path
) -> Iterator[tuple[str | None, DatabaseServer | None, Proxy | None]]:
    """Yield the URL of the programs' database, its server, and the proxy between them."""
    if backend == "sqlite":
        yield None, None, None
        return
    with private_server(backend) as server, proxied(server.port) as proxy:
        yield server.url_through(proxy.port), server, proxy


def _finish(chaos_site: ChaosSite, injector: FaultInjector) -> None:
    """Let the ingesters ingest the rest, and the workers complete and deliver it."""
    chaos_site.complete()
    wait_until(lambda: not any("ingester" in name for name in injector.supervise()), SETTLE_SECONDS)
    with chaos_site.site.store() as store:
        store.advance_event_clock(START + timedelta(days=1000))

        def all_is_done() -> bool:
            injector.supervise()
            states = set(store.count_states())
            return states == {StreamState.COMPLETED} and store.count_effects() == 0

        wait_until(all_is_done, SETTLE_SECONDS)


def _end_workers(chaos_site: ChaosSite, injector: FaultInjector) -> None:
    def have_started() -> bool:
        members = map(chaos_site.member, injector.supervise())
        return all("worker started: " in member.text() for member in members)

    wait_until(have_started)  # the process that was killed last may have no signal handler yet
    for name in chaos_site.names:
        member = chaos_site.member(name)
        status = member.end()
        assert status == 0, f"{name} ended with {status}:\n{member.text()[-4000:]}"


def _report(database: str, seed: int, injector: FaultInjector, final_state: FinalState) -> Report:
    attempts = sum(stream.attempts for stream in final_state.streams)
    lines = [f"{number:6} x {fault}" for fault, number in sorted(injector.injected.items())]
    lines += [
        f"{injector.failed_starts:6} x a program exited at startup without a server",
        f"{len(final_state.events):6} events stored once",
        f"{len(final_state.streams):6} streams completed once, in {attempts} runs",
        f"{final_state.committed_again:6} commits of runs that did not complete their stream",
        f"{2 * len(final_state.streams):6} effects recorded once and delivered",
        f"{final_state.delivered_again:6} of their deliveries repeated",
    ]
    return Report(database, seed, tuple(lines))
