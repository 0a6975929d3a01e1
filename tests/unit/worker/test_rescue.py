"""Conditions under which a worker rescues streams."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.builders.events import NOON
from support.builders.manual_clock import ManualClock
from winchester_core import retry
from winchester_core.errors import DatabaseUnavailable
from winchester_core.model.stream import Reason, StreamState
from winchester_core.retry import OutageState
from winchester_core.telemetry.counters import Counters
from winchester_core.worker import worker_id
from winchester_core.worker.worker_id import is_gone, make_worker_id

if TYPE_CHECKING:
    import pytest

    from support.scenes.workers import HandlerScript, Scene

OWN = """
from winchester_core.worker.worker_id import make_worker_id
print(make_worker_id("w"), flush=True)
"""


def id_of_dead_process() -> str:
    """Return the id of a worker named w whose process has ended."""
    finished = subprocess.run([sys.executable, "-c", OWN], capture_output=True, check=True)
    return finished.stdout.decode().strip()


def test_a_process_that_has_ended_is_gone_and_a_running_one_is_not() -> None:
    own = make_worker_id("w")
    assert is_gone(id_of_dead_process(), own)
    assert not is_gone(make_worker_id("w"), own)
    assert len({make_worker_id("w") for _ in range(9)}) == 9


def test_a_killed_process_that_nobody_has_waited_for_is_gone() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"{OWN}input()"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    assert process.stdout is not None
    other = process.stdout.readline().decode().strip()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    try:
        assert is_gone(other, make_worker_id("w"))
        assert worker_id.start_ticks(process.pid) == "ended"
    finally:
        process.communicate()


def test_a_process_of_another_name_host_or_unknown_form_may_be_alive() -> None:
    name, pid, start, boot, host, token = id_of_dead_process().split(":")
    own = make_worker_id("w")
    for other in (
        f"x:{pid}:{start}:{boot}:{host}:{token}",
        f"{name}:{pid}:{start}:{boot}:00000000:{token}",
        f"{name}:{pid}:-:{boot}:{host}:{token}",
        f"{name}:{pid}:{start}:-:{host}:{token}",
        f"{name}:{pid}:{token}",  # of an earlier revision
        "w",
        "",
    ):
        assert not is_gone(other, own), other


def test_a_process_of_an_earlier_boot_or_with_a_reused_pid_is_gone() -> None:
    own = make_worker_id("a:b")
    name, pid, start, boot, host, token = own.rsplit(":", 5)
    assert is_gone(f"{name}:{pid}:{start}:00000000:{host}:{token}", own)
    assert is_gone(f"{name}:{pid}:{int(start) - 1}:{boot}:{host}:{token}", own)


def test_a_worker_rescues_at_once_what_a_gone_predecessor_held(
    scene: Scene, script: HandlerScript
) -> None:
    del script
    ids = [scene.complete_stream(instance) for instance in "abc"]
    alive = make_worker_id("w")
    for worker in (id_of_dead_process(), alive, "other:1:1:1:1:1"):
        scene.store.claim_ready(
            worker=worker, reason=Reason.FIRE, now=NOON, limit=1, lease=timedelta(hours=1)
        )
    assert scene.worker(purge_completed=False).run_once() == 1
    states = [scene.store.get_stream_by_id(each).state for each in ids]
    assert states == [StreamState.COMPLETED, StreamState.FIRING, StreamState.FIRING]


def test_after_an_outage_expired_leases_are_left_for_one_lease(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    del script
    now = 1000.0
    monkeypatch.setattr("winchester_core.retry.monotonic", lambda: now)
    scene.complete_stream()
    scene.store.claim_ready(
        worker="other", reason=Reason.FIRE, now=NOON, limit=1, lease=timedelta(seconds=-1)
    )
    worker = scene.worker(lease=timedelta(seconds=60))
    worker._outage.record_failure(DatabaseUnavailable("gone"))
    now += 3600
    worker._outage.record_success()
    for seconds, run in ((0, 0), (59, 0), (1, 1)):
        now += seconds
        assert worker.run_once() == run


def test_the_time_since_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr(retry, "monotonic", clock)
    state = OutageState("database", Counters())
    assert (state.is_active, state.seconds_since_end()) == (False, float("inf"))
    state.record_failure(DatabaseUnavailable("gone"))
    assert (state.is_active, state.seconds_since_end()) == (True, 0.0)
    clock.seconds += 60
    state.record_success()
    clock.seconds += 5
    assert (state.is_active, state.seconds_since_end()) == (False, 5.0)


def test_after_an_outage_a_worker_first_renews_all_that_it_holds(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    del script
    ids = {scene.complete_stream(instance) for instance in "abc"}
    calls: list[tuple[str, Any]] = []
    members_of, renew = scene.store.members_of, scene.store.renew

    def away_at_first(stream_ids: Any) -> Any:
        calls.append(("load", None))
        if len(calls) == 1:
            raise DatabaseUnavailable("gone")
        return members_of(stream_ids)

    def noted(claims: Any, lease: timedelta) -> int:
        calls.append(("renew", {each.stream_id for each in claims}))
        return renew(claims, lease)

    monkeypatch.setattr(scene.store, "members_of", away_at_first)
    monkeypatch.setattr(scene.store, "renew", noted)
    assert scene.worker().run_once() == 3
    assert calls[:3] == [("load", None), ("renew", ids), ("load", None)]
