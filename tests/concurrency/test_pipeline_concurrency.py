"""`pipeline_concurrency`: the threads of a pipeline are limited, and other pipelines continue."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.scenes.gated_runs import GatedSite
from support.scenes.program_groups import program_group
from support.scenes.sites import wait_until
from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from support.scenes.program_groups import RunningProgram
    from support.scenes.sites import Site

SLOW = [f"slow{number}" for number in range(70)]
FAST = [f"fast{number}" for number in range(70)]
CLAIMS_PER_THREAD = 10
# the longest lease, so that a slow machine loses none
SETTINGS = "lease_seconds: 300\nworker_concurrency: 8\n"


def limit_to(site: Site, number: int, *, worker: RunningProgram | None = None) -> None:
    """Limit the threads of the pipeline "slow"; reload a running worker."""
    lines = site.config.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("pipeline_concurrency")]
    kept.append(f"pipeline_concurrency: {{slow: {number}}}")
    site.config.write_text("\n".join(kept) + "\n")
    if worker is not None:
        reloads = worker.text().count("configuration reloaded: ")
        worker.signal(signal.SIGHUP)
        wait_until(lambda: worker.text().count("configuration reloaded: ") > reloads)


def in_progress(gated: GatedSite, calls: tuple[str, ...]) -> list[int]:
    """Return the numbers of slow runs in handlers after each call, in order."""
    numbers, number = [0], 0
    for note in gated.journal(*calls):
        if note["host"].startswith("slow"):
            number += 1 if note["call"] == calls[0] else -1
            numbers.append(number)
    return numbers


def claimed(gated: GatedSite) -> int:
    states = gated.states()
    return sum(states[host] is StreamState.FIRING for host in SLOW)


@pytest.mark.parametrize("phase", ["handle", "commit"])
def test_a_limited_pipeline_has_no_more_threads_and_claims_and_others_go_on(
    site: Site, phase: str
) -> None:
    gated = GatedSite(site)
    gated.configure(SETTINGS)
    limit_to(site, 2)
    gated.ingest("slow", SLOW)
    gated.ingest("fast", FAST)
    calls = ("handle", "handled") if phase == "handle" else ("commit", "committed")
    with program_group(site) as programs:
        with gated.holding(phase, "slow"):
            worker = programs.worker("w")
            gated.wait_for(StreamState.COMPLETED, FAST)
            wait_until(lambda: in_progress(gated, calls)[-1] == 2)
            gated.ingest("fast", ["fast-later"])
            gated.wait_for(StreamState.COMPLETED, ["fast-later"])
            assert max(in_progress(gated, calls)) == 2
            assert 2 <= claimed(gated) <= 2 * CLAIMS_PER_THREAD

            limit_to(site, 5, worker=worker)
            wait_until(lambda: in_progress(gated, calls)[-1] == 5)
            gated.ingest("fast", ["fast-last"])
            gated.wait_for(StreamState.COMPLETED, ["fast-last"])
            assert max(in_progress(gated, calls)) == 5
            assert claimed(gated) <= 5 * CLAIMS_PER_THREAD

            before = len(in_progress(gated, calls))
            limit_to(site, 1, worker=worker)
        gated.wait_for(StreamState.COMPLETED, SLOW)
        assert worker.end() == 0
    # the runs in progress end, and others begin one at a time; those of a batch that have been
    # handled are in progress until their commit
    numbers = in_progress(gated, calls)[before:]
    if phase == "handle":
        assert numbers[:4] == [4, 3, 2, 1]
        assert max(numbers[4:]) == 1
    assert max(numbers) <= 5
    assert gated.hosts("rollback") == []


def test_streams_behind_hanging_threads_are_left_to_other_workers(site: Site) -> None:
    gated = GatedSite(site)
    gated.configure("lease_seconds: 10\nworker_concurrency: 8\n")
    limit_to(site, 2)
    hanging, waiting = ["hang0", "hang1"], SLOW[: 2 * CLAIMS_PER_THREAD]
    gated.ingest("slow", [*hanging, *waiting])
    with program_group(site) as programs:
        with gated.holding("handle", "hang"):
            worker = programs.worker("w")
            wait_until(lambda: set(hanging) <= set(gated.hosts("handle")))
            other = programs.worker("other")
            gated.wait_for(StreamState.COMPLETED, waiting)
            assert other.end() == 0
        gated.wait_for(StreamState.COMPLETED, hanging)
        assert worker.end() == 0
    makers = gated.makers()
    assert {host: makers[host] for host in hanging} == {key: [(1, worker.pid)] for key in hanging}
    assert {attempt for host in waiting for attempt, _ in makers[host]} == {1}
