"""Ratios compare samples of one round; targets apply to their median."""

from __future__ import annotations

import pytest

from benchmarks.figure import ENGINE, RAW, Figure, Goal, Spread, cpu_us, rates
from benchmarks.lap import Lap, timed
from benchmarks.table import HEAD, lines, number, table


def figure(*goals: Goal) -> Figure:
    samples = {ENGINE: (10.0, 90.0, 30.0), RAW: (20.0, 100.0, 40.0)}
    return Figure("b", "speed", "sqlite", "events/s", samples, goals, {ENGINE: (7.0, 8.0, 9.0)})


def test_a_spread_covers_all_samples() -> None:
    assert Spread.of([3, 1, 7, 2]) == Spread(1, 2.5, 7)
    with pytest.raises(ValueError, match="no samples"):
        Spread.of([])


def test_ratios_are_computed_per_round() -> None:
    assert figure().spread(Goal(ENGINE, RAW)) == Spread(0.5, 0.75, 0.9)


def test_different_numbers_of_rounds_are_not_compared() -> None:
    unequal = Figure("b", "n", None, "s", {ENGINE: (1.0,), RAW: (1.0, 2.0)})
    with pytest.raises(ValueError, match="shorter"):
        unequal.spread(Goal(RAW, ENGINE))


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(ENGINE, RAW), None),
        (Goal(ENGINE, RAW, at_least=0.75), True),
        (Goal(ENGINE, RAW, at_least=0.76), False),
        (Goal(ENGINE, at_most=30), True),
        (Goal(ENGINE, at_most=29), False),
    ],
)
def test_a_target_is_compared_with_the_median(goal: Goal, reached: bool | None) -> None:
    assert figure().is_reached(goal) is reached


def test_a_lap_reports_operations_per_second_and_cpu_time_per_operation() -> None:
    laps = {ENGINE: (Lap(100, 2.0, 0.5), Lap(100, 4.0, 1.0))}
    assert rates(laps) == {ENGINE: (50.0, 25.0)}
    assert cpu_us(laps) == {ENGINE: (5000.0, 10000.0)}


def test_a_timed_function_runs_once() -> None:
    done: list[int] = []
    lap = timed(3, lambda: done.append(1))
    assert done == [1]
    assert lap.operations == 3
    assert lap.seconds > 0


def test_a_table_has_a_line_for_each_goal() -> None:
    shown = figure(Goal(ENGINE, RAW, at_least=0.8), Goal(ENGINE))
    first, second = (dict(zip(HEAD, line, strict=True)) for line in lines(shown))
    assert first == {
        "figure": "speed",
        "database": "sqlite",
        "measured": "engine: 30 events/s (8 µs CPU)",
        "baseline": "raw: 40 events/s",
        "min": "0.5",
        "median": "0.75",
        "max": "0.9",
        "target": ">= 0.8",
        "reached": "no",
        "note": "",
    }
    assert (second["baseline"], second["target"], second["reached"]) == ("", "", "")
    assert len(table([shown, shown]).splitlines()) == 2 + 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.8, "1,234,568"), (100.4, "100"), (12.345, "12.3"), (0.0123, "0.0123")],
)
def test_numbers_are_printed_with_three_digits(value: float, text: str) -> None:
    assert number(value) == text
