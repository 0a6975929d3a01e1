"""No effect is lost or recorded twice, wherever a worker is killed."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.killed_processes import KilledScene
from winchester_core.failpoints import Failpoint

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = 10
RECORDING_POINTS = [
    Failpoint.HANDLED,
    Failpoint.HANDLERS_COMMITTED,
    Failpoint.BEFORE_COMPLETION_COMMIT,
    Failpoint.COMPLETED,
]
DELIVERY_POINTS = [
    Failpoint.BEFORE_EFFECTS_CLAIM_COMMIT,
    Failpoint.EFFECTS_CLAIMED,
    Failpoint.EFFECTS_SENT,
    Failpoint.BEFORE_EFFECT_RESULTS_COMMIT,
    Failpoint.EFFECT_RESULTS_STORED,
]
SENT_BEFORE_THE_KILL = {Failpoint.EFFECTS_SENT, Failpoint.BEFORE_EFFECT_RESULTS_COMMIT}


def delivered(box: Path) -> list[Any]:
    """Return id, attempt, order and number of each delivered effect."""
    return [json.loads(line) for line in box.read_text().splitlines()]


@pytest.mark.parametrize("point", [*RECORDING_POINTS, *DELIVERY_POINTS])
def test_every_effect_is_recorded_once_and_delivered_in_order(
    point: Failpoint, tmp_path: Path
) -> None:
    lines = lines_after_a_kill(tmp_path, point, quiet=False, hit=2)
    if point in DELIVERY_POINTS:
        check_repetitions(lines, point)


@pytest.mark.parametrize("point", [Failpoint.BEFORE_COMPLETION_COMMIT, *DELIVERY_POINTS])
def test_every_effect_survives_batch_completion(point: Failpoint, tmp_path: Path) -> None:
    lines = lines_after_a_kill(tmp_path, point, quiet=True, hit=1)
    check_repetitions(lines, point)


def lines_after_a_kill(tmp_path: Path, point: Failpoint, *, quiet: bool, hit: int) -> list[Any]:
    """Return the deliveries of a killed worker and of its successor, ordered within each effect."""
    scene = KilledScene(tmp_path / "scene")
    box = tmp_path / "box.jsonl"
    box.touch()
    scene.run("ingest")
    scene.advance_event_clock()
    task = {"quiet": quiet, "box": str(box)}
    assert scene.run("work", kill_at=point, hit=hit, **task) == -signal.SIGKILL
    assert scene.run("work", **task) == 0

    store = scene.store()
    assert store.count_effects() == 0
    store.close()
    lines = delivered(box)
    first_time = {effect_id: (order, number) for effect_id, _, order, number in reversed(lines)}
    assert len(first_time) == 2 * ORDERS
    assert set(Counter(first_time.values()).values()) == {1}
    for order in {order for _, _, order, _ in lines}:
        numbers = [number for _, _, each, number in lines if each == order]
        assert numbers == sorted(numbers)
    return lines


def check_repetitions(lines: list[Any], point: Failpoint) -> None:
    """Assert that only effects sent but not recorded before the kill are repeated."""
    repeated = [attempt for _, attempt, _, _ in lines if attempt > 1]
    assert (len(lines) > 2 * ORDERS) == (point in SENT_BEFORE_THE_KILL)
    assert (len(repeated) > 0) == (point in {*SENT_BEFORE_THE_KILL, Failpoint.EFFECTS_CLAIMED})
