"""From the text of a time expression to the expression.

expression = time [ "to" time ]        both times single
time       = start { ( "+" | "-" | "@" ) duration }
start      = "$" name | range [ "(" [ time ] ")" ] | "(" expression ")"
range      = "hour" | "day" | "month" | "year"
duration   = number [ unit ] { number [ unit ] }
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.model.time_range import TimeValue
    from winchester_core.timex.terms import Evaluator

MAX_LENGTH = 1000
MAX_NESTING = 30

Term: TypeAlias = Instant | Range | AnchoredRange

_OPERATORS = ("+", "-", "@")
_UNIT_NAMES = "y, mo, d, h, m, s and us"
_DURATION_EXPECTED = f"a duration is wanted here, such as 1d 6h (units are {_UNIT_NAMES})"
_TIME_EXPECTED = (
    "a time is wanted here: a $variable, hour, day, month, year, or a time in parentheses"
)
_SINGLE_TIME_EXPECTED = "a single time is wanted here, and this is a range"


def parse(text: str) -> Expression:
    """Return the expression that `text` says.

    Raises `TimeExpressionError` where it is none, where it is longer than 1,000 characters, or
    where parentheses are nested more than 30 deep.
    """
    if len(text) > MAX_LENGTH:
        raise TimeExpressionError(
            text, MAX_LENGTH, f"a text of {len(text)} characters; {MAX_LENGTH} are allowed"
        )
    return _Parser(text).expression()


class _Parser:
    """A recursive descent through the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._index = 0
        self._depth = 0
        self._variables: set[str] = set()

    def expression(self) -> Expression:
        term = self._range_or_time()
        if self._here().kind is not TokenKind.END:
            raise self._unfinished(term, "the end")
        return Expression(self._text, frozenset(self._variables), term.computation(), term.begin())

    def _range_or_time(self) -> Term:
        first = self._time()
        if self._here().text != "to" or not isinstance(first, Instant):
            return first
        self._index += 1
        return Range.between(first, self._single_time())

    def _single_time(self) -> Instant:
        token = self._here()
        term = self._time()
        if not isinstance(term, Instant):
            raise self._fault(_SINGLE_TIME_EXPECTED, token)
        return term

    def _time(self) -> Term:
        term = self._start()
        while (operator := self._here()).text in _OPERATORS:
            self._index += 1
            term = self._applied(term, operator.text)
        return term

    def _start(self) -> Term:
        token = self._here()
        if token.text == "$":
            self._index += 1
            return self._variable()
        if token.text == "(":
            return self._parenthesized()
        if token.kind is TokenKind.WORD:
            return self._pinned_range()
        raise self._fault(_TIME_EXPECTED)

    def _variable(self) -> Instant:
        token = self._here()
        if token.kind is not TokenKind.WORD:
            raise self._fault("the name of a variable is wanted after '$'")
        self._index += 1
        return self._named(token.text)

    def _named(self, name: str) -> Instant:
        self._variables.add(name)
        return Instant(compile_variable(name))

    def _parenthesized(self) -> Term:
        self._open()
        term = self._range_or_time()
        self._close(term)
        return term

    def _pinned_range(self) -> AnchoredRange:
        token = self._here()
        unit = ANCHORED_RANGE_UNITS.get(token.text)
        if unit is None:
            raise self._fault(_TIME_EXPECTED)
        self._index += 1
        if self._here().text != "(":
            return AnchoredRange.around(self._named("timestamp"), unit)
        self._open()
        pin = self._named("timestamp") if self._here().text == ")" else self._single_time()
        self._close(pin)
        return AnchoredRange.around(pin, unit)

    def _open(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._fault(f"parentheses nested more than {MAX_NESTING} deep")
        self._index += 1

    def _close(self, term: Term) -> None:
        if self._here().text != ")":
            raise self._unfinished(term, "')'")
        self._depth -= 1
        self._index += 1

    def _applied(self, term: Term, operator: str) -> Term:
        token = self._here()
        duration = self._duration()
        if isinstance(term, AnchoredRange):
            duration = term.resolved(duration)
        elif isinstance(term, Instant) and duration.unitless is not None:
            raise self._fault(
                f"a number applied to a single time needs a unit: {_UNIT_NAMES}", token
            )
        if operator == "+":
            return term.plus(duration)
        if operator == "-":
            return term.plus(-duration)
        fault = duration.replacement_problem()
        if fault is not None:
            raise self._fault(fault, token)
        return term.replaced(duration)

    def _duration(self) -> Duration:
        if self._here().kind is not TokenKind.NUMBER:
            raise self._fault(_DURATION_EXPECTED)
        amounts: dict[Unit, int] = {}
        unitless: int | None = None
        while self._here().kind is TokenKind.NUMBER:
            number = int(self._here().text)
            self._index += 1
            unit = self._unit()
            if unit is None:
                unitless = (unitless or 0) + number
            else:
                amounts[unit] = amounts.get(unit, 0) + number
        return Duration(amounts, unitless)

    def _unit(self) -> Unit | None:
        token = self._here()
        if token.kind is not TokenKind.WORD or token.text == "to":
            return None
        unit = UNIT_WORDS.get(token.text)
        if unit is None:
            raise self._fault(
                f"no unit of time; units are {_UNIT_NAMES}, with a blank after each", token
            )
        self._index += 1
        return unit

    def _here(self) -> Token:
        return self._tokens[self._index]

    def _unfinished(self, term: Term, closing: str) -> TimeExpressionError:
        operators = "+ - @ to" if isinstance(term, Instant) else "+ - @; no 'to' after a range"
        return self._fault(f"an operator ({operators}) or {closing} is wanted here")

    def _fault(self, reason: str, token: Token | None = None) -> TimeExpressionError:
        at = token or self._here()
        found = repr(at.text) if at.text else "the text ends"
        return TimeExpressionError(self._text, at.position, f"{found}: {reason}")


_TOKEN = re.compile(r"[ \t\n]*(?:([A-Za-z_][A-Za-z0-9_]*)|(\d+)|([-+@$()])|\Z)")


class TokenKind(Enum):
    """What a token is. The members' order is that of the groups of the pattern."""

    END = 0
    WORD = 1
    NUMBER = 2
    SYMBOL = 3


_TOKEN_KINDS = tuple(TokenKind)


class Token(NamedTuple):
    """A piece of the text and its offset in it; the last token is empty, of kind `END`."""

    kind: TokenKind
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Cut `text` into tokens. Raises `TimeExpressionError` at a character that has no use."""
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
        f"{text[position]!r} has no meaning here; an expression is made of $names, words, "
        "whole numbers and + - @ ( )",
    )


EARLIEST_TIME = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
LATEST_TIME = datetime(MAX_YEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Expression:
    """A time expression. Equal and hashed by its text; immutable, shared by threads freely.

    `variables` are the names it needs, without ``$``. Where `hour`, `day`, `month` or `year`
    stands without an argument, it needs `timestamp`.
    """

    text: str
    variables: frozenset[str] = field(compare=False)
    _compute: Evaluator = field(compare=False, repr=False)
    _begin: TimeGetter = field(compare=False, repr=False)

    def __call__(self, **variables: datetime) -> TimeValue:
        """Evaluate with these variables; see `evaluate`."""
        return self.evaluate(variables)

    def evaluate(self, variables: Mapping[str, Any]) -> TimeValue:
        """Return the time or the range of time, aware UTC, that the expression has.

        `variables` may be an event: only those of its keys that are needed are looked at. One
        that is absent or no datetime is missing; a naive datetime is UTC. Raises
        `TimeEvaluationError`, with `variable` set for the first one missing, and with `clamp`
        set for a time outside the years 1000-9999, be it on the way to the result.
        """
        try:
            return self._compute(variables)
        except (MissingVariable, YearOutOfRange) as error:
            raise self._fault(error) from None

    def begin(self, variables: Mapping[str, Any]) -> datetime:
        """Return the time, or where the range begins: `evaluate(variables).begin`, but faster.

        Raises as `evaluate` does.
        """
        try:
            return self._begin(variables)
        except (MissingVariable, YearOutOfRange) as error:
            raise self._fault(error) from None

    def _fault(self, error: MissingVariable | YearOutOfRange) -> TimeEvaluationError:
        if isinstance(error, MissingVariable):
            return TimeEvaluationError(
                self.text, f"${error.name} has no datetime", variable=error.name
            )
        side, clamp = ("after", LATEST_TIME) if error.is_after else ("before", EARLIEST_TIME)
        return TimeEvaluationError(
            self.text, f"a time {side} the years {MIN_YEAR}-{MAX_YEAR}", clamp=clamp
        )

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:

        return parse, (self.text,)
