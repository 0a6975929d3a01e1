"""`Expression.begin` agrees with `Expression.evaluate`, errors included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from support.builders.time_expressions import ENVIRONMENTS, EXPRESSIONS, text_of
from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.timex import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

NAMES = st.sets(st.sampled_from(["timestamp", "first", "last"]))


@given(EXPRESSIONS, ENVIRONMENTS, NAMES)
def test_begin_equals_the_beginning_of_the_evaluated_value(
    node: Any, env: dict[str, datetime], missing: set[str]
) -> None:
    try:
        expression = parse(text_of(node))
    except TimeExpressionError:
        return
    variables = {name: moment for name, moment in env.items() if name not in missing}
    short = outcome(lambda: expression.begin(variables))
    assert short == outcome(lambda: expression.evaluate(variables).begin)


def outcome(evaluate: Callable[[], datetime]) -> Any:
    """Return the time, or the text of the error."""
    try:
        return evaluate()
    except TimeEvaluationError as error:
        return str(error), error.variable, error.clamp
