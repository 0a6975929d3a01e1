"""Syntax of time expressions, and the errors of invalid ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from winchester_core.errors import TimeExpressionError
from winchester_core.timex import parse
from winchester_core.timex.expression import MAX_LENGTH, MAX_NESTING


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "end of text: expected a time"),
        (" \n", 2, "end of text: expected a time"),
        ("week", 0, "'week': expected a time: a $variable, hour, day, month, year"),
        ("DAY", 0, "'DAY': expected a time"),
        ("last + 2d", 0, "a $variable"),
        ("$", 1, "expected the name of a variable after '$'"),
        ("$1", 1, "expected the name of a variable after '$'"),
        ("$a +", 4, "expected a duration, such as 1d 6h (units are y, mo, d, h, m, s"),
        ("$a + to", 5, "'to': expected a duration"),
        ("$a + -1d", 5, "'-': expected a duration"),
        ("$a + 6h30m", 6, "'h30m': not a unit of time; units are y, mo, d, h, m, s and us, each"),
        ("$a + 1 week", 7, "'week': not a unit of time"),
        ("$a + 5", 5, "'5': a number applied to a single time needs a unit"),
        ("$a + 1d 5", 5, "needs a unit"),
        ("$a + 1.5h", 6, "unexpected '.'; an expression consists of $names"),
        ("$a  ;", 4, "unexpected ';'"),
        ("$a $b", 3, "expected an operator (+ - @ to) or the end"),
        ("day $b", 4, "expected an operator (+ - @; no 'to' after a range) or the end"),
        ("day to $b", 4, "no 'to' after a range"),
        ("$a to $b to $c", 9, "no 'to' after a range"),
        ("$a to day", 6, "expected a single time, not a range"),
        ("day(month)", 4, "expected a single time, not a range"),
        ("day($a to $b)", 7, " or ')'"),
        ("($a", 3, "or ')'"),
        ("$a)", 2, "or the end"),
        ("()", 1, "expected a time"),
        ("$a @ 25h", 5, "'@' sets the hour, which is 0 to 23, not 25"),
        ("$a @ 0d", 5, "'@' sets the day, which is 1 to 31, not 0"),
        ("$a @ 13mo", 5, "'@' sets the month, which is 1 to 12, not 13"),
        ("$a @ 500y", 5, "'@' sets the year, which is 1000 to 9999, not 500"),
        ("day @ 24", 6, "'@' sets the hour, which is 0 to 23, not 24"),
    ],
)
def test_an_error_is_reported_with_its_position_and_the_alternatives(
    text: str, position: int, reason: str
) -> None:
    with pytest.raises(TimeExpressionError) as raised:
        parse(text)
    assert raised.value.text == text
    assert raised.value.position == position
    assert reason in raised.value.reason


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("$a+1d", "$a + 1d"),
        ("\n$a\n\t+ 1 d  2 h ", "$a + 1d 2h"),
        ("$ a", "$a"),
        ("(($a)) + 1d", "$a + 1d"),
        ("$a + 1yr 1hr 1min 1sec", "$a + 1y 1h 1m 1s"),
        ("$a + 1d 1d", "$a + 2d"),
        ("$a to $b + 1h", "$a to ($b + 1h)"),
        ("$a - 1h to $b", "($a - 1h) to $b"),
        ("$a + 1d @ 0h", "($a + 1d) @ 0h"),
        ("day($a)", "day ( $a )"),
        ("day()", "day($timestamp)"),
        ("day", "day($timestamp)"),
    ],
)
def test_two_spellings_of_one_time_are_equal(text: str, same: str) -> None:
    times = {
        "a": datetime(2015, 3, 17, 14, 20, tzinfo=UTC),
        "b": datetime(2015, 3, 20, 1, 2, 3, tzinfo=UTC),
        "timestamp": datetime(2015, 3, 18, 5, tzinfo=UTC),
    }
    assert parse(text).evaluate(times) == parse(same).evaluate(times)


@pytest.mark.parametrize("name", ["to", "h", "min", "day", "_x1", "Launched_At"])
def test_any_word_after_a_dollar_sign_is_a_variable(name: str) -> None:
    assert parse(f"${name} + 1h").variables == {name}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$last + 2d", {"last"}),
        ("$first to $last", {"first", "last"}),
        ("day", {"timestamp"}),
        ("hour()", {"timestamp"}),
        ("month($launched_at)", {"launched_at"}),
    ],
)
def test_variables_are_known_before_evaluation(text: str, names: set[str]) -> None:
    assert parse(text).variables == names


def test_a_text_may_have_exactly_the_maximum_length() -> None:
    longest = "$a1" + "+1s" * 332 + " "
    assert len(longest) == MAX_LENGTH
    start = datetime(2015, 3, 17, tzinfo=UTC)
    assert parse(longest)(a1=start).timestamp == start + timedelta(seconds=332)
    with pytest.raises(
        TimeExpressionError, match="1001 characters; at most 1000 are allowed"
    ) as raised:
        parse(longest + " ")
    assert raised.value.position == MAX_LENGTH


def test_a_message_shows_only_the_beginning_of_an_overlong_text() -> None:
    with pytest.raises(TimeExpressionError) as raised:
        parse("$a " * 1_000_000)
    assert len(str(raised.value)) < 1200


def test_parentheses_may_be_nested_to_exactly_the_limit() -> None:
    def nested(depth: int) -> str:
        return "(" * depth + "$a" + ")" * depth

    assert parse(nested(MAX_NESTING)).variables == {"a"}
    with pytest.raises(TimeExpressionError, match="nested more than 30 deep") as raised:
        parse(nested(MAX_NESTING + 1))
    assert raised.value.position == MAX_NESTING
    with pytest.raises(TimeExpressionError, match="nested more than 30 deep"):
        parse("(" * MAX_LENGTH)


def test_adjacent_parentheses_are_not_nested() -> None:
    text = "(" * MAX_NESTING + "$a" + " + 1h)" * MAX_NESTING + " to (($b))"
    assert parse(text).variables == {"a", "b"}
