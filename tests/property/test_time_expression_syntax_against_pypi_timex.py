"""Winchester accepts the texts that PyPI timex 0.20 accepts, except for documented differences.

The texts are expressions with a token removed, doubled, replaced or inserted, so that most are
nearly valid. `WINCHESTER_TIMEX_EXAMPLES` sets the number of examples.
"""

from __future__ import annotations

import os
import re
from datetime import datetime

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

pytest.importorskip("timex", reason="PyPI timex, the oracle, is not installed")

import timex

from support.builders.time_expressions import EXPRESSIONS, text_of
from support.probes.hypothesis_examples import examples
from winchester_core.errors import TimeExpressionError
from winchester_core.model.time_range import TimeRange
from winchester_core.timex import parse

EXAMPLES = int(os.environ.get("WINCHESTER_TIMEX_EXAMPLES", examples(300)))
TOKEN = re.compile(r"\$\w+|\d+[a-z]*|\w+|[-+@()]")
SPARE = (
    "$timestamp",
    "$min",
    "$",
    "day",
    "week",
    "to",
    "+",
    "-",
    "@",
    "(",
    ")",
    "1h",
    "2",
    "h",
    "*",
)

NAMED_LIKE_A_UNIT = re.compile(r"\$\s*(to|us|s|sec|m|min|h|hr|d|mo|y|yr)\b")
EMPTY_PARENTHESES = re.compile(r"(hour|day|month|year)\s*\(\s*\)")
UNITLESS = "Durations must have unit"
MOMENT = datetime(2015, 3, 17, 14, 20)


@st.composite
def damaged_texts(draw: st.DrawFn) -> str:
    tokens = TOKEN.findall(text_of(draw(EXPRESSIONS)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(tokens)))
        width = draw(st.integers(0, 1))
        tokens[at : at + width] = draw(st.lists(st.sampled_from(SPARE), max_size=2))
    return draw(st.sampled_from([" ", "  ", "\n", " \t"])).join(tokens)


def theirs(text: str) -> Exception | None:
    try:
        timex.parse(text)
    except (timex.TimexError, AttributeError) as error:  # AttributeError: at the end of the text
        return error
    return None


def ours(text: str) -> TimeExpressionError | None:
    try:
        parse(text)
    except TimeExpressionError as error:
        return error
    return None


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(damaged_texts())
def test_the_same_texts_are_valid_expressions(text: str) -> None:
    our_error, their_error = ours(text), theirs(text)
    if our_error is None and their_error is not None:
        event("an extension")
        assert is_extension(text, their_error)
    elif their_error is None and our_error is not None:
        event("refused early")
        assert is_useless(text, our_error)
    else:
        event("both refuse" if our_error else "both accept")
    if our_error is not None:
        assert 0 <= our_error.position <= len(text)
        assert our_error.text == text


def is_extension(text: str, their_error: Exception) -> bool:
    if NAMED_LIKE_A_UNIT.search(text) or EMPTY_PARENTHESES.search(text):
        return True
    return UNITLESS in str(their_error) and is_a_range(text)


def is_useless(text: str, our_error: TimeExpressionError) -> bool:
    """Return whether timex accepts the text but fails at every evaluation."""
    names = dict.fromkeys(parse_names(text), MOMENT)
    if "'@' sets" in our_error.reason:
        return True
    with pytest.raises(timex.TimexExpressionError, match="Unknown Function"):
        timex.parse(text)(**names)
    return text[our_error.position :].startswith("week")


def is_a_range(text: str) -> bool:
    expression = parse(text)
    return isinstance(expression(**dict.fromkeys(expression.variables, MOMENT)), TimeRange)


def parse_names(text: str) -> set[str]:
    return set(re.findall(r"\$\s*(\w+)", text)) | {"timestamp"}
