"""A process killed at any point loses nothing and repeats nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.killed_processes import KilledScene
from winchester_core.failpoints import Failpoint

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.worker_settings import WorkerSettings

INGEST_POINTS = [
    Failpoint.RECEIVED,
    Failpoint.PREPARED,
    Failpoint.DISTILLED,
    Failpoint.EVENTS_STORED,
    Failpoint.STREAMS_STORED,
    Failpoint.BEFORE_INGEST_COMMIT,
    Failpoint.INGEST_COMMITTED,
    Failpoint.ACKNOWLEDGED,
]
WORK_POINTS = [
    Failpoint.BEFORE_CLAIM_COMMIT,
    Failpoint.CLAIMED,
    Failpoint.EVENTS_LOADED,
    Failpoint.HANDLED,
    Failpoint.LEASE_VERIFIED,
    Failpoint.HANDLERS_COMMITTED,
    Failpoint.BEFORE_COMPLETION_COMMIT,
    Failpoint.COMPLETED,
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The state after each stage of a run without kills."""
    scene = KilledScene(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert scene.run("ingest") == 0
    ingested = scene.snapshot()
    scene.advance_event_clock()
    assert scene.run("work") == 0
    return {"ingested": ingested, "worked": scene.snapshot(), "commits": scene.commits()}


def test_the_reference_run_without_kills_has_the_expected_result(
    undisturbed: dict[str, Any],
) -> None:
    assert len(undisturbed["ingested"]["events"]) == 38
    assert len(undisturbed["ingested"]["rejected"]) == 1
    states = [stream[2] for stream in undisturbed["worked"]["streams"] if stream[0] == "orders"]
    assert states == ["completed"] * 10
    summaries = [stream for stream in undisturbed["worked"]["streams"] if stream[0] == "summaries"]
    assert len(summaries) == 10
    assert len(undisturbed["commits"]) == 10


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", INGEST_POINTS)
def test_killed_ingest_then_redelivery_gives_the_same_state(
    point: Failpoint, hit: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = KilledScene(tmp_path / "scene")
    assert scene.run("ingest", kill_at=point, hit=hit) == -signal.SIGKILL
    assert scene.run("ingest") == 0
    assert scene.snapshot() == undisturbed["ingested"]


@pytest.mark.parametrize("point", INGEST_POINTS[2:-1])
def test_ingest_killed_while_it_holds_two_batches_loses_nothing(
    point: Failpoint, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = KilledScene(tmp_path / "scene")
    assert scene.run("ingest", kill_at=point, hit=2, ahead=True) == -signal.SIGKILL
    committed = 2 if point is Failpoint.INGEST_COMMITTED else 1
    assert len(scene.snapshot()["events"]) == 7 * committed
    assert scene.run("ingest") == 0
    assert scene.snapshot() == undisturbed["ingested"]


@pytest.mark.parametrize("point", WORK_POINTS)
def test_a_killed_worker_is_rescued_and_each_stream_completed_once(
    point: Failpoint,
    worker_settings: WorkerSettings,
    tmp_path: Path,
    undisturbed: dict[str, Any],
) -> None:
    scene = KilledScene(tmp_path / "scene", worker_settings)
    repeated = OF_EACH_RUN if worker_settings.is_parallel else REPEATED
    scene.run("ingest")
    scene.advance_event_clock()
    assert scene.run("work", kill_at=point, hit=2 if point in repeated else 1) == -signal.SIGKILL
    assert scene.run("work") == 0
    assert scene.snapshot() == undisturbed["worked"]
    if worker_settings.is_parallel:
        check_attempts(scene)
    else:
        check_commits(scene, point)


OF_EACH_RUN = {Failpoint.HANDLED, Failpoint.HANDLERS_COMMITTED}
REPEATED = {
    Failpoint.HANDLED,
    Failpoint.LEASE_VERIFIED,
    Failpoint.HANDLERS_COMMITTED,
    Failpoint.BEFORE_COMPLETION_COMMIT,
    Failpoint.COMPLETED,
}


def check_attempts(scene: KilledScene) -> None:
    """Assert that every stream was committed, and never twice under the same number."""
    attempts: dict[int, list[int]] = {}
    for line in scene.commits():
        attempts.setdefault(line["stream"], []).append(line["attempt"])
    assert len(attempts) == 10
    for numbers in attempts.values():
        assert numbers == sorted(set(numbers))


def check_commits(scene: KilledScene, point: Failpoint) -> None:
    """Assert one commit per stream, two if the worker was killed between commit and completion."""
    commits = scene.commits()
    twice = point in (Failpoint.HANDLERS_COMMITTED, Failpoint.BEFORE_COMPLETION_COMMIT)
    assert len({line["stream"] for line in commits}) == 10
    assert len(commits) == (11 if twice else 10)
    if twice:
        repeated = [line for line in commits if line["attempt"] == 2]
        assert commits[1]["stream"] in [line["stream"] for line in repeated]


@pytest.mark.parametrize(
    "point", [Failpoint.HANDLED, Failpoint.BEFORE_COMPLETION_COMMIT, Failpoint.COMPLETED]
)
def test_a_worker_killed_in_a_batch_completion_loses_nothing(
    point: Failpoint,
    worker_settings: WorkerSettings,
    tmp_path: Path,
    undisturbed: dict[str, Any],
) -> None:
    scene = KilledScene(tmp_path / "scene", worker_settings)
    scene.run("ingest")
    scene.advance_event_clock()
    assert scene.run("work", quiet=True, kill_at=point) == -signal.SIGKILL
    assert scene.run("work", quiet=True) == 0
    assert scene.snapshot() == undisturbed["worked"]


def test_a_worker_killed_while_storing_a_failure_does_not_lose_the_stream(
    worker_settings: WorkerSettings, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = KilledScene(tmp_path / "scene", worker_settings)
    scene.run("ingest")
    scene.advance_event_clock()
    point = Failpoint.BEFORE_FAILURE_COMMIT
    assert scene.run("work", fails_first=True, kill_at=point, hit=2) == -signal.SIGKILL
    assert scene.run("work", fails_first=True) == 0
    assert scene.snapshot() == undisturbed["worked"]
