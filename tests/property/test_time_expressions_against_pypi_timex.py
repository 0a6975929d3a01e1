"""Time expressions agree with PyPI timex 0.20, except for documented differences.

Every expression is evaluated three times: by Winchester, by timex, and by a slow model of the
calendar (`timex_oracle`). Winchester always equals the model; timex does too, unless a predicate
that is computed before timex is called (`pypi_timex`) names the difference.

The environment variable `WINCHESTER_TIMEX_EXAMPLES` sets the number of examples: 20000 take some
minutes.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings

pytest.importorskip("timex", reason="PyPI timex, the oracle, is not installed")

import timex

from support.builders.time_expressions import (
    BOUNDS,
    ENVIRONMENTS,
    EXPRESSIONS,
    Operation,
    Pin,
    To,
    is_range,
    text_of,
)
from support.probes.hypothesis_examples import examples
from support.probes.pypi_timex import Difference, oracle
from support.probes.timex_oracle import (
    COUNTED_IN,
    MovedWindow,
    OutOfCalendar,
    Window,
    model,
    with_unit,
)
from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.model.time_range import TimeRange
from winchester_core.timex import parse

EXAMPLES = int(os.environ.get("WINCHESTER_TIMEX_EXAMPLES", examples(300)))


def ends_of(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, datetime):
        return value, value
    return value.ends() if isinstance(value, Window | MovedWindow) else value


def is_fault_of_fields(node: Any) -> bool:
    """Return whether `@` sets a field of a unit known from the text to an impossible value."""
    if isinstance(node, Pin):
        return node.argument is not None and is_fault_of_fields(node.argument)
    if isinstance(node, To):
        return is_fault_of_fields(node.begin) or is_fault_of_fields(node.end)
    if not isinstance(node, Operation):
        return False
    amounts = node.amounts
    pinned = pinned_unit(node.base)
    if pinned is not None:
        amounts = with_unit(node, COUNTED_IN[pinned])
    too_great = any(amount > BOUNDS[unit][1] for unit, amount in amounts.items())
    return (node.symbol == "@" and too_great) or is_fault_of_fields(node.base)


def pinned_unit(node: Any) -> str | None:
    """Return the unit of the anchored range `node`, if its text shows that it is one."""
    if isinstance(node, Pin):
        return node.unit
    if not isinstance(node, Operation):
        return None
    unit = pinned_unit(node.base)
    if unit is None or not Window(datetime(2000, 1, 1), unit).stays_pinned(
        node.symbol, node.amounts
    ):
        return None
    return unit


def ours(text: str, env: dict[str, datetime]) -> tuple[bool, datetime, datetime]:
    value = parse(text).evaluate(env)
    assert value.begin.tzinfo is UTC
    assert value.end.tzinfo is UTC
    begin, end = value.begin.replace(tzinfo=None), value.end.replace(tzinfo=None)
    return isinstance(value, TimeRange), begin, end


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS, ENVIRONMENTS)
def test_results_equal_the_calendar_oracle_and_timex(node: Any, env: dict[str, datetime]) -> None:
    text = text_of(node)
    if is_fault_of_fields(node):
        event("refused")
        with pytest.raises(TimeExpressionError, match="'@' sets"):
            parse(text)
        return
    try:
        wanted = ends_of(model(node, env))
    except OutOfCalendar:
        wanted = None
    if wanted is None or min(wanted).year < 1000:
        event("out of years")
        with pytest.raises(TimeEvaluationError) as raised:
            parse(text).evaluate(env)
        assert raised.value.variable is None
        assert raised.value.clamp is not None
        return
    assert ours(text, env) == (is_range(node), *wanted)
    try:
        oracle(node, env)
    except Difference as difference:
        event(str(difference))
        return
    except OutOfCalendar:
        event("timex leaves the calendar on its way")
        return
    event("equal")
    theirs = timex.parse(text)(**env)
    assert (theirs.is_range, theirs.begin, theirs.end) == (is_range(node), *wanted)
