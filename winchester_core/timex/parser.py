"""From the text of a time expression to the expression.

expression = time [ "to" time ]        both times single
time       = start { ( "+" | "-" | "@" ) duration }
start      = "$" name | range [ "(" [ time ] ")" ] | "(" expression ")"
range      = "hour" | "day" | "month" | "year"
duration   = number [ unit ] { number [ unit ] }
"""

from __future__ import annotations

from typing import TypeAlias

from winchester_core.errors import TimeExpressionError
from winchester_core.timex.duration import UNIT_WORDS, Duration, Unit
from winchester_core.timex.expression import Expression
from winchester_core.timex.instant import Instant
from winchester_core.timex.lexer import Kind, Token, tokenize
from winchester_core.timex.pinned import PINNED_RANGES, Pinned
from winchester_core.timex.span import Span
from winchester_core.timex.variables import variable

MAX_LENGTH = 1000
MAX_NESTING = 30

Term: TypeAlias = Instant | Span | Pinned

_OPERATORS = ("+", "-", "@")
_UNITS = "y, mo, d, h, m, s and us"
_DURATION = f"a duration is wanted here, such as 1d 6h (units are {_UNITS})"
_TIME = "a time is wanted here: a $variable, hour, day, month, year, or a time in parentheses"
_SINGLE_TIME = "a single time is wanted here, and this is a range"


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
        if self._here().kind is not Kind.END:
            raise self._unfinished(term, "the end")
        return Expression(self._text, frozenset(self._variables), term.computation(), term.begin())

    def _range_or_time(self) -> Term:
        first = self._time()
        if self._here().text != "to" or not isinstance(first, Instant):
            return first
        self._index += 1
        return Span.between(first, self._single_time())

    def _single_time(self) -> Instant:
        token = self._here()
        term = self._time()
        if not isinstance(term, Instant):
            raise self._fault(_SINGLE_TIME, token)
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
        if token.kind is Kind.WORD:
            return self._pinned_range()
        raise self._fault(_TIME)

    def _variable(self) -> Instant:
        token = self._here()
        if token.kind is not Kind.WORD:
            raise self._fault("the name of a variable is wanted after '$'")
        self._index += 1
        return self._named(token.text)

    def _named(self, name: str) -> Instant:
        self._variables.add(name)
        return Instant(variable(name))

    def _parenthesized(self) -> Term:
        self._open()
        term = self._range_or_time()
        self._close(term)
        return term

    def _pinned_range(self) -> Pinned:
        token = self._here()
        unit = PINNED_RANGES.get(token.text)
        if unit is None:
            raise self._fault(_TIME)
        self._index += 1
        if self._here().text != "(":
            return Pinned.around(self._named("timestamp"), unit)
        self._open()
        pin = self._named("timestamp") if self._here().text == ")" else self._single_time()
        self._close(pin)
        return Pinned.around(pin, unit)

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
        if isinstance(term, Pinned):
            duration = term.resolved(duration)
        elif isinstance(term, Instant) and duration.unitless is not None:
            raise self._fault(f"a number applied to a single time needs a unit: {_UNITS}", token)
        if operator == "+":
            return term.plus(duration)
        if operator == "-":
            return term.plus(-duration)
        fault = duration.replacement_fault()
        if fault is not None:
            raise self._fault(fault, token)
        return term.replaced(duration)

    def _duration(self) -> Duration:
        if self._here().kind is not Kind.NUMBER:
            raise self._fault(_DURATION)
        amounts: dict[Unit, int] = {}
        unitless: int | None = None
        while self._here().kind is Kind.NUMBER:
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
        if token.kind is not Kind.WORD or token.text == "to":
            return None
        unit = UNIT_WORDS.get(token.text)
        if unit is None:
            raise self._fault(
                f"no unit of time; units are {_UNITS}, with a blank after each", token
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
