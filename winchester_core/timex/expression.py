"""Parser and evaluation of time expressions.

expression = time [ "to" time ]        both times single
time       = primary { ( "+" | "-" | "@" ) duration }
primary    = "$" name | range [ "(" [ time ] ")" ] | "(" expression ")"
range      = "hour" | "day" | "month" | "year"
duration   = number [ unit ] { number [ unit ] }
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.model.event import MAX_YEAR, MIN_YEAR
from winchester_core.timex.calendar import YearOutOfRange
from winchester_core.timex.duration import UNIT_WORDS, Duration, Unit
from winchester_core.timex.terms import (
    ANCHORED_RANGE_UNITS,
    AnchoredRange,
    Instant,
    MissingVariable,
    Range,
    TimeGetter,
    compile_variable,
)
from winchester_core.timex.zone_calendar import calendar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.model.time_range import TimeValue
    from winchester_core.timex.terms import Evaluator

MAX_LENGTH = 1000
MAX_NESTING = 30

Term: TypeAlias = Instant | Range | AnchoredRange

_OPERATORS = ("+", "-", "@")
_UNIT_NAMES = "y, mo, d, h, m, s and us"
_DURATION_EXPECTED = f"expected a duration, such as 1d 6h (units are {_UNIT_NAMES})"
_TIME_EXPECTED = "expected a time: a $variable, hour, day, month, year, or a time in parentheses"
_SINGLE_TIME_EXPECTED = "expected a single time, not a range"


def parse(text: str, zone: tzinfo = UTC) -> Expression:
    """Parse a time expression of the local time of `zone`.

    Raises `TimeExpressionError` if `text` is not one, is longer than 1,000 characters, or nests
    parentheses more than 30 deep.
    """
    if len(text) > MAX_LENGTH:
        raise TimeExpressionError(
            text, MAX_LENGTH, f"it has {len(text)} characters; at most {MAX_LENGTH} are allowed"
        )
    return _Parser(text, zone).expression()


class _Parser:
    """Recursive-descent parser of one text."""

    def __init__(self, text: str, zone: tzinfo) -> None:
        self._text = text
        self._calendar = calendar_of(zone)
        self._tokens = tokenize(text)
        self._index = 0
        self._depth = 0
        self._variables: set[str] = set()

    def expression(self) -> Expression:
        term = self._range_or_time()
        if self._current().kind is not TokenKind.END:
            raise self._unfinished_error(term, "the end")
        return Expression(
            self._text,
            self._calendar.zone,
            frozenset(self._variables),
            term.compile_value(),
            term.compile_begin(),
        )

    def _range_or_time(self) -> Term:
        first = self._time()
        if self._current().text != "to" or not isinstance(first, Instant):
            return first
        self._index += 1
        return Range.between(first, self._single_time())

    def _single_time(self) -> Instant:
        token = self._current()
        term = self._time()
        if not isinstance(term, Instant):
            raise self._error(_SINGLE_TIME_EXPECTED, token)
        return term

    def _time(self) -> Term:
        term = self._primary()
        while (operator := self._current()).text in _OPERATORS:
            self._index += 1
            term = self._apply(term, operator.text)
        return term

    def _primary(self) -> Term:
        token = self._current()
        if token.text == "$":
            self._index += 1
            return self._variable()
        if token.text == "(":
            return self._parentheses()
        if token.kind is TokenKind.WORD:
            return self._anchored_range()
        raise self._error(_TIME_EXPECTED)

    def _variable(self) -> Instant:
        token = self._current()
        if token.kind is not TokenKind.WORD:
            raise self._error("expected the name of a variable after '$'")
        self._index += 1
        return self._variable_term(token.text)

    def _variable_term(self, name: str) -> Instant:
        self._variables.add(name)
        return Instant(compile_variable(name), self._calendar)

    def _parentheses(self) -> Term:
        self._open()
        term = self._range_or_time()
        self._close(term)
        return term

    def _anchored_range(self) -> AnchoredRange:
        token = self._current()
        unit = ANCHORED_RANGE_UNITS.get(token.text)
        if unit is None:
            raise self._error(_TIME_EXPECTED)
        self._index += 1
        if self._current().text != "(":
            return AnchoredRange.around(self._variable_term("timestamp"), unit)
        self._open()
        anchor = (
            self._variable_term("timestamp") if self._current().text == ")" else self._single_time()
        )
        self._close(anchor)
        return AnchoredRange.around(anchor, unit)

    def _open(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error(f"parentheses nested more than {MAX_NESTING} deep")
        self._index += 1

    def _close(self, term: Term) -> None:
        if self._current().text != ")":
            raise self._unfinished_error(term, "')'")
        self._depth -= 1
        self._index += 1

    def _apply(self, term: Term, operator: str) -> Term:
        token = self._current()
        duration = self._duration()
        if isinstance(term, AnchoredRange):
            duration = term.with_unit(duration)
        elif isinstance(term, Instant) and duration.unitless is not None:
            raise self._error(
                f"a number applied to a single time needs a unit: {_UNIT_NAMES}", token
            )
        if operator == "+":
            return term.plus(duration)
        if operator == "-":
            return term.plus(-duration)
        problem = duration.replacement_problem()
        if problem is not None:
            raise self._error(problem, token)
        return term.replaced(duration)

    def _duration(self) -> Duration:
        if self._current().kind is not TokenKind.NUMBER:
            raise self._error(_DURATION_EXPECTED)
        amounts: dict[Unit, int] = {}
        unitless: int | None = None
        while self._current().kind is TokenKind.NUMBER:
            number = int(self._current().text)
            self._index += 1
            unit = self._unit()
            if unit is None:
                unitless = (unitless or 0) + number
            else:
                amounts[unit] = amounts.get(unit, 0) + number
        return Duration(amounts, unitless)

    def _unit(self) -> Unit | None:
        token = self._current()
        if token.kind is not TokenKind.WORD or token.text == "to":
            return None
        unit = UNIT_WORDS.get(token.text)
        if unit is None:
            raise self._error(
                f"not a unit of time; units are {_UNIT_NAMES}, each followed by a space", token
            )
        self._index += 1
        return unit

    def _current(self) -> Token:
        return self._tokens[self._index]

    def _unfinished_error(self, term: Term, closing: str) -> TimeExpressionError:
        operators = "+ - @ to" if isinstance(term, Instant) else "+ - @; no 'to' after a range"
        return self._error(f"expected an operator ({operators}) or {closing}")

    def _error(self, reason: str, token: Token | None = None) -> TimeExpressionError:
        at = token or self._current()
        found = repr(at.text) if at.text else "end of text"
        return TimeExpressionError(self._text, at.position, f"{found}: {reason}")


_TOKEN = re.compile(r"[ \t\n]*(?:([A-Za-z_][A-Za-z0-9_]*)|(\d+)|([-+@$()])|\Z)")


class TokenKind(Enum):
    """Kind of a token; values are the group numbers of `_TOKEN`, 0 for none."""

    END = 0
    WORD = 1
    NUMBER = 2
    SYMBOL = 3


_TOKEN_KINDS = tuple(TokenKind)


class Token(NamedTuple):
    """A piece of the text and its offset. The last token is empty and has the kind `END`."""

    kind: TokenKind
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Split `text` into tokens. Raises `TimeExpressionError` at an unexpected character."""
    tokens: list[Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unexpected_character(text, position)
        group = match.lastindex or 0
        start, position = match.span(group)
        if not group:
            tokens.append(Token(TokenKind.END, "", len(text)))
            return tokens
        tokens.append(Token(_TOKEN_KINDS[group], text[start:position], start))


def _unexpected_character(text: str, position: int) -> TimeExpressionError:
    while text[position] in " \t\n":
        position += 1
    return TimeExpressionError(
        text,
        position,
        f"unexpected {text[position]!r}; an expression consists of $names, words, "
        "whole numbers and + - @ ( )",
    )


EARLIEST_TIME = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
LATEST_TIME = datetime(MAX_YEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed time expression. Equal and hashed by text and zone; immutable, thread-safe.

    `variables` are the names that it needs, without ``$``. If `hour`, `day`, `month` or `year` have
    no argument, they need `timestamp`.
    """

    text: str
    zone: tzinfo
    variables: frozenset[str] = field(compare=False)
    _compute: Evaluator = field(compare=False, repr=False)
    _begin: TimeGetter = field(compare=False, repr=False)

    def __call__(self, **variables: datetime) -> TimeValue:
        """Evaluate with these variables; see `evaluate`."""
        return self.evaluate(variables)

    def evaluate(self, variables: Mapping[str, Any]) -> TimeValue:
        """Return the value: a time or a range of time, in aware UTC.

        `variables` may be an event; only the required keys are read. A naive datetime is in UTC.
        Raises `TimeEvaluationError`. If a variable is missing or not a datetime, its `variable` is
        set to the name of the first one. If the result is outside the years 1000-9999, or an
        intermediate time outside the years 1-9999, its `clamp` is set.
        """
        try:
            return self._compute(variables)
        except (MissingVariable, YearOutOfRange) as error:
            raise self._error(error) from None

    def begin(self, variables: Mapping[str, Any]) -> datetime:
        """Return `evaluate(variables).begin`, but faster. Raises the same errors."""
        try:
            return self._begin(variables)
        except (MissingVariable, YearOutOfRange) as error:
            raise self._error(error) from None

    def _error(self, error: MissingVariable | YearOutOfRange) -> TimeEvaluationError:
        if isinstance(error, MissingVariable):
            return TimeEvaluationError(
                self.text, f"${error.name} is missing or not a datetime", variable=error.name
            )
        side, clamp = ("after", LATEST_TIME) if error.is_after else ("before", EARLIEST_TIME)
        return TimeEvaluationError(
            self.text, f"a time {side} the years {MIN_YEAR}-{MAX_YEAR}", clamp=clamp
        )

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Callable[[str, tzinfo], Expression], tuple[str, tzinfo]]:
        return parse, (self.text, self.zone)
