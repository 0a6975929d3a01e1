"""The words of a time expression."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from winchester_core.errors import TimeExpressionError

_TOKEN = re.compile(r"[ \t\n]*(?:([A-Za-z_][A-Za-z0-9_]*)|(\d+)|([-+@$()])|\Z)")


class Kind(Enum):
    """What a token is. The members' order is that of the groups of the pattern."""

    END = 0
    WORD = 1
    NUMBER = 2
    SYMBOL = 3


_KINDS = tuple(Kind)


class Token(NamedTuple):
    """A piece of the text and its offset in it; the last token is empty, of kind `END`."""

    kind: Kind
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Cut `text` into tokens. Raises `TimeExpressionError` at a character that has no use."""
    tokens: list[Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _useless_character(text, position)
        group = match.lastindex or 0
        start, position = match.span(group)
        if not group:
            tokens.append(Token(Kind.END, "", len(text)))
            return tokens
        tokens.append(Token(_KINDS[group], text[start:position], start))


def _useless_character(text: str, position: int) -> TimeExpressionError:
    while text[position] in " \t\n":
        position += 1
    return TimeExpressionError(
        text,
        position,
        f"{text[position]!r} has no meaning here; an expression is made of $names, words, "
        "whole numbers and + - @ ( )",
    )
