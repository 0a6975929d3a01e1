"""A worker paused in a batch of commits for longer than a lease, while another runs its streams.

Each of its threads is paused between the check of its lease and the action of its `commit`, which
nothing can prevent: it still acts once. Nothing else of the batch is committed or completed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.scenes.gated_runs import GatedSite
from support.scenes.leases import expire_leases
from support.scenes.program_groups import program_group
from support.scenes.sites import wait_until
from support.scenes.worker_settings import PARALLEL, WorkerSettings
from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from support.scenes.sites import Site

HOSTS = [f"host{number}" for number in range(40)]
SETTINGS = "lease_seconds: 600\n"


@pytest.mark.parametrize(
    ("worker_settings", "stop"),
    [
        pytest.param(WorkerSettings(1, 100), "3-3", id="one thread, in its third commit"),
        pytest.param(PARALLEL, "1-8", id="all threads in their first commits"),
    ],
)
def test_a_paused_thread_commits_at_most_once_and_completes_nothing(
    site: Site, worker_settings: WorkerSettings, stop: str
) -> None:
    gated = GatedSite(site)
    gated.configure(SETTINGS + worker_settings.yaml())
    gated.ingest("fast", HOSTS)
    site.write("stop-in-commit", stop)
    with program_group(site) as programs:
        paused = programs.worker("paused")
        paused.wait_until_stopped()
        expire_leases(site)
        before = gated.hosts("commit")
        early = gated.makers()  # a slow machine may have taken 200 ms before the third commit
        others = [host for host in HOSTS if host not in early]
        other = programs.worker("other")
        gated.wait_for(StreamState.COMPLETED, others)
        assert other.end() == 0
        paused.resume()
        wait_until(lambda: "lease lost: " in paused.text())
        gated.ingest("fast", ["last"])
        gated.wait_for(StreamState.COMPLETED, ["last"])
        assert paused.end() == 0

    commits = [note for note in gated.journal("commit", worker=paused) if note["host"] in HOSTS]
    late = commits[len(before) :]
    assert [note["host"] for note in commits[: len(before)]] == before
    assert Counter(note["thread"] for note in late) == dict.fromkeys(
        (note["thread"] for note in late), 1
    )
    assert len(late) == worker_settings.concurrency

    makers = gated.makers()
    assert {host: pid for host in others for _, pid in makers[host]} == dict.fromkeys(
        others, other.pid
    )
    assert {host: makers[host] for host in early} == early
    assert [pid for _, pid in makers["last"]] == [paused.pid]

    rolled_back = {note["host"] for note in gated.journal("rollback", worker=paused)}
    assert rolled_back.isdisjoint(note["host"] for note in commits)
    # each later attempt has a higher number
    runs = Counter((note["host"], note["attempt"]) for note in gated.journal("handle"))
    assert set(runs.values()) == {1}
    later = {note["host"]: note["attempt"] for note in gated.journal("commit", worker=other)}
    assert set(later) == set(others)
    assert {note["attempt"] for note in commits} == {1}
    assert min(later.values()) > 1
