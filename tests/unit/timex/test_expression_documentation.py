"""The tables of the reference page hold, here and in PyPI timex 0.20."""

from __future__ import annotations

import builtins
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.timex import parse

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "time-expressions.md"
EXAMPLES_TIME = "`2015-03-17 14:20`"


def table(heading: str, columns: int) -> list[list[str]]:
    """Return the cells of the first table under a heading."""
    _, _, section = PAGE.read_text().partition(f"## {heading}\n")
    lines = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    assert lines is not None, f"no table under {heading!r}"
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[0].splitlines()[2:]]
    assert all(len(row) == columns for row in rows)
    return rows


EXAMPLES = table("Examples", 2)
DIFFERENCES = table("Differences from PyPI timex 0.20", 5)


def times(cell: str) -> tuple[datetime, datetime]:
    found = [datetime.fromisoformat(text) for text in re.findall(r"`([^`]+)`", cell)]
    return found[0], found[-1]


def variables(expression: str, time: str) -> dict[str, Any]:
    return dict.fromkeys(["timestamp", *re.findall(r"\$(\w+)", expression)], times(time)[0])


def ours(expression: str, time: str) -> tuple[datetime, datetime]:
    value = parse(expression)(**variables(expression, time))
    assert (value.begin.tzinfo, value.end.tzinfo) == (UTC, UTC)
    return value.begin.replace(tzinfo=None), value.end.replace(tzinfo=None)


@pytest.mark.parametrize(("expression", "value"), EXAMPLES)
def test_an_example_has_the_documented_value(expression: str, value: str) -> None:
    assert ours(expression.strip("`"), EXAMPLES_TIME) == times(value)


@pytest.mark.parametrize(("_case", "expression", "time", "_timex", "value"), DIFFERENCES)
def test_a_difference_has_the_documented_value(
    _case: str, expression: str, time: str, _timex: str, value: str
) -> None:
    text = expression.strip("`")
    if value == "refused":
        with pytest.raises(TimeExpressionError):
            parse(text)
    elif value == "no value":
        with pytest.raises(TimeEvaluationError):
            ours(text, time)
    else:
        assert ours(text, time) == times(value)


@pytest.mark.parametrize(
    ("_case", "expression", "time", "value", "_ours"),
    [row for row in DIFFERENCES if row[3] != "never returns"],
)
def test_a_difference_has_the_documented_value_in_timex(
    _case: str, expression: str, time: str, value: str, _ours: str
) -> None:
    timex = pytest.importorskip("timex", reason="PyPI timex, the oracle, is not installed")
    text = expression.strip("`")

    def theirs() -> tuple[datetime, datetime]:
        result = timex.parse(text)(**variables(text, time))
        return result.begin, result.end

    failure = re.fullmatch(r"fails: (\w+)", value)
    if failure is None:
        assert theirs() == times(value)
    else:
        with pytest.raises(getattr(timex, failure[1], None) or getattr(builtins, failure[1])):
            theirs()


def local_rows() -> list[list[str]]:
    """Return the rows of the table of local time; an empty zone is that of the row before."""
    rows, zone = [], ""
    for first, *others in table("Local time", 5):
        zone = first.strip("`") or zone
        rows.append([zone, *others])
    return rows


@pytest.mark.parametrize(("zone", "expression", "time", "value", "local"), local_rows())
def test_an_example_of_local_time_has_the_documented_value(
    zone: str, expression: str, time: str, value: str, local: str
) -> None:
    moment = times(time)[0].replace(tzinfo=UTC)
    found = parse(expression.strip("`"), ZoneInfo(zone))(timestamp=moment)
    ends = (found.begin, found.end)
    assert tuple(each.replace(tzinfo=None) for each in ends) == times(value)
    assert tuple(each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for each in ends) == times(
        local
    )
