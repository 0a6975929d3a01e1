"""Charts: positions, tables, names, and values that cannot be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.probes.drawings import names, parse, positions, texts
from winchester_core.console.charts import Series, StateCounts, sparkline, stacked_bars, state_bars
from winchester_core.console.charts.stacked_bars import MAX_BARS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NOON = 1_796_126_400
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
VALUES = st.lists(
    st.one_of(st.integers(0, 10**30), st.floats(allow_nan=True, allow_infinity=True)), max_size=300
)


def series(values: list[float], label: str = "fired", period: int = 60) -> Series:
    return Series(label, "completed", NOON, period, values)


def bars(root: Element) -> list[Element]:
    return [
        bar
        for group in root.iter("g")
        if "bars" in group.get("class", "")
        for bar in group.iter("rect")
    ]


def cells(root: Element) -> list[list[str]]:
    return [
        ["".join(cell.itertext()) for cell in row] for body in root.iter("tbody") for row in body
    ]


def test_each_value_is_a_bar_and_a_row_of_the_table() -> None:
    root = parse(stacked_bars([series([1, 0, 3]), series([2, 2, 0], "failed")], "Streams"))
    assert len(bars(root)) == 4
    assert cells(root) == [
        ["1 Dec 2026, 12:00 to 12:01", "1", "2"],
        ["1 Dec 2026, 12:01 to 12:02", "0", "2"],
        ["1 Dec 2026, 12:02 to 12:03", "3", "0"],
    ]


def test_bars_are_stacked_without_gaps() -> None:
    root = parse(stacked_bars([series([1]), series([2], "failed")], "Streams"))
    low, high = bars(root)
    assert float(high.get("y", "")) + float(high.get("height", "")) == pytest.approx(
        float(low.get("y", "")), abs=0.02
    )
    assert float(high.get("height", "")) == pytest.approx(2 * float(low.get("height", "")), abs=0.1)


def test_the_last_period_is_drawn_as_incomplete() -> None:
    root = parse(stacked_bars([series([5, 5, 5])], "Events"))
    assert [bar.get("class") for bar in bars(root)] == [None, None, "partial"]


def test_long_series_are_added_up() -> None:
    root = parse(stacked_bars([series([1] * 1000, period=3600)], "Events"))
    rows = cells(root)
    assert len(rows) <= MAX_BARS
    assert sum(int(row[1]) for row in rows) == 1000


@given(st.lists(VALUES, max_size=4))
def test_any_values_give_a_drawing_inside_its_box(found: list[list[float]]) -> None:
    text = stacked_bars([series(values) for values in found], "Events")
    root = parse(text)
    assert "nan" not in text.lower().replace("nance", "")
    assert "inf" not in text.lower()
    assert all(-0.01 <= each <= 100.01 for each in positions(root))
    for bar in bars(root):
        assert float(bar.get("y", "")) >= 0
        assert float(bar.get("height", "")) >= 1
    assert len(text.encode()) < 300 * 1024


@pytest.mark.parametrize("found", [[], [[]], [[0, 0, 0]], [[float("nan")]], [[-1]]])
def test_charts_without_values_have_no_bars(found: list[list[float]]) -> None:
    root = parse(stacked_bars([series(values) for values in found], "Events"))
    assert not bars(root)
    assert "Events" in "".join(root.itertext())


def test_charts_have_a_name_a_legend_and_no_inline_style() -> None:
    root = parse(stacked_bars([series([1200, 34])], "Streams, last hour"))
    images = [each for each in root.iter("svg") if each.get("role") == "img"]
    assert [each.get("aria-label") for each in images] == ["Streams, last hour: fired 1,234"]
    assert texts(root, "legend") == [" fired 1.2k"]
    assert not {"style", "onclick", "script"} & names(root)


def test_labels_are_escaped() -> None:
    root = parse(stacked_bars([series([1], HOSTILE)], "Events"))
    assert "script" not in names(root)
    assert "<script>alert(1)</script>" in texts(root, "legend")[0]


@given(VALUES)
def test_sparklines_stay_inside_their_box(values: list[float]) -> None:
    root = parse(sparkline(values, "Events per minute"))
    for each in (*root.iter("polyline"), *root.iter("polygon")):
        for point in each.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 100.01
            assert 0 <= y <= 24
    assert (root.get("aria-label") or "").startswith("Events per minute: ")


def test_state_bars_have_totals_and_names() -> None:
    rows = [
        StateCounts("brute_force", {"active": 1200, "error": 3}, "/triggers/brute_force"),
        StateCounts(HOSTILE, {"active": 0}),
    ]
    root = parse(state_bars(rows, "Streams by trigger"))
    images = [each.get("aria-label") for each in root.iter("svg")]
    assert images == ["active 1,200, error 3", "none"]
    assert [row[-1] for row in cells(root)] == ["1,203", "0"]
    assert [each.get("href") for each in root.iter("a")] == ["/triggers/brute_force"]
    assert "\x1b" not in "".join(root.itertext())
    assert all(0 <= each <= 100 for each in positions(root))


def test_no_rows_of_states() -> None:
    root = parse(state_bars([], "Streams by trigger"))
    assert cells(root) == []
