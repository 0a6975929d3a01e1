"""A worker with 32 threads, some or all of whose runs hang: the other threads continue."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from support.scenes.gated_runs import GatedSite
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.databases import temporary_database
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.program_groups import ProgramGroup, RunningProgram

THREADS = 32
HANGING = [f"hang{number}" for number in range(4)]
OTHERS = [f"other{number}" for number in range(150)]
ALL_OTHER_THREADS = [f"hang{number}" for number in range(len(HANGING), THREADS)]
TIMEOUT_SECONDS = 9
LEASE_SECONDS = 8
"""Shorter than the timeout, and long enough that a slow machine renews it in time."""

SETTINGS = f"lease_seconds: {LEASE_SECONDS}\nmax_attempts: 1\n"
STEPS = {"handle": "handle_events", "commit": "commit"}


@pytest.fixture(params=["sqlite", "postgresql"])
def gated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GatedSite]:
    with temporary_database(request.param, tmp_path) as url:
        site = Site(tmp_path, url)
        site.migrate()
        yield GatedSite(site)


def start(programs: ProgramGroup) -> RunningProgram:
    worker = programs.worker("w", "--concurrency", str(THREADS), "--metrics-listen", "0")
    wait_until(lambda: "worker started" in worker.text())
    return worker


def hanging_streams(gated: GatedSite) -> set[int]:
    return {note["stream"] for note in gated.journal("handle") if note["host"] in HANGING}


def runs(gated: GatedSite, call: str) -> set[tuple[str, str, float]]:
    """Return host, thread and start of the runs that made a call."""
    return {(note["host"], note["thread"], note["started"]) for note in gated.journal(call)}


@pytest.mark.parametrize("phase", STEPS)
def test_the_others_are_completed_while_four_hang_until_the_shutdown_times_out(
    gated: GatedSite, phase: str
) -> None:
    gated.configure(f"{SETTINGS}shutdown_timeout: 2\n")
    gated.ingest("fast", [*HANGING, *OTHERS])
    with gated.holding(phase, "hang"), program_group(gated.site) as programs:
        worker = start(programs)
        gated.wait_for(StreamState.COMPLETED, OTHERS)
        wait_until(lambda: set(HANGING) <= set(gated.hosts(phase)))
        assert worker.ask("/livez")[0] == 200
        gated.wait_for(StreamState.FIRING, HANGING)
        assert worker.end() == 3
    interrupted = re.findall(
        r"run interrupted by forced shutdown: stream=(\d+) trigger=fast run_seconds=.* "
        r"commit_started=(\w+) handler=gated phase=(\w+)",
        worker.text(),
    )
    has_committed = "yes" if phase == "commit" else "no"
    assert sorted(interrupted) == sorted(
        (str(each), has_committed, STEPS[phase]) for each in hanging_streams(gated)
    )
    with gated.site.store() as store:
        streams = store.find_streams(StreamFilter(), limit=1000)
    released = [each for each in streams if each.state is not StreamState.COMPLETED]
    assert {each.distinguished_by["host"] for each in released} == set(HANGING)
    assert {each.state for each in released} == {StreamState.RETRY_FIRE}
    assert {each.failures for each in streams} == {0}


@pytest.mark.parametrize("phase", STEPS)
def test_runs_past_their_timeout_fail_while_they_hang(gated: GatedSite, phase: str) -> None:
    gated.configure(f"{SETTINGS}pipeline_timeout: {TIMEOUT_SECONDS}\n")
    gated.ingest("fast", [*HANGING, *OTHERS])
    with program_group(gated.site) as programs:
        with gated.holding(phase, "hang"):
            worker = start(programs)
            gated.wait_for(StreamState.ERROR, HANGING)
            gated.wait_for(StreamState.COMPLETED, OTHERS)
            assert worker.text().count("run hangs: ") == len(HANGING)
            assert worker.ask("/livez")[0] == 200
            gated.ingest("fast", ALL_OTHER_THREADS)
            gated.wait_for(StreamState.ERROR, ALL_OTHER_THREADS)
            wait_until(lambda: worker.ask("/livez")[0] == 503)
            causes = json.loads(worker.ask("/livez")[1])["causes"]
            assert causes == ["component missed its deadline: handlers"]
        wait_until(lambda: worker.ask("/livez")[0] == 200)
        gated.ingest("fast", ["last"])
        gated.wait_for(StreamState.COMPLETED, ["last"])
        assert worker.end() == 0
    hung = {*HANGING, *ALL_OTHER_THREADS}
    with gated.site.store() as store:
        failed = store.find_streams(StreamFilter(states=(StreamState.ERROR,)), limit=1000)
    assert {each.distinguished_by["host"] for each in failed} == hung
    assert {each.last_error for each in failed} == {
        f"exceeded pipeline_timeout ({TIMEOUT_SECONDS} s) in {STEPS[phase]} of gated"
    }
    # a run whose commit has begun is not rolled back; without load each host has one run
    rolled_back = runs(gated, "rollback")
    if phase == "handle":
        assert hung <= {host for host, *_ in rolled_back}
    else:
        assert hung <= {host for host, *_ in runs(gated, "commit")}
        assert not rolled_back & runs(gated, "commit")
    assert set(gated.makers()) == {*OTHERS, "last"}
