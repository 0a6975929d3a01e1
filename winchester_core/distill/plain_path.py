"""Field paths that need no JSONPath engine: keys, quoted keys and list indexes.

`payload.image_meta.'org.openstack__1__architecture'` or `payload.nets[0].id`, with or without a
leading `$.`. What they find is what jsonpath-rw finds, except that an index into what is no list
finds nothing, where jsonpath-rw raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Step: TypeAlias = str | int
Finder: TypeAlias = Callable[[Mapping[str, Any]], Any]

_WORD = r"[A-Za-z_][A-Za-z0-9_\-]*"
_SINGLE = r"'(?:[^'\\]|\\.)*'"
_DOUBLE = r'"(?:[^"\\]|\\.)*"'
_INDEX = r"\[-?[0-9]+\]"
_KEY = f"(?:{_WORD}|{_SINGLE}|{_DOUBLE})"
_PLAIN = re.compile(rf"(?:\$\.)?{_KEY}(?:\.{_KEY}|{_INDEX})*")
_STEP = re.compile(f"{_SINGLE}|{_DOUBLE}|{_WORD}|{_INDEX}")

_RESERVED_WORD = "where"
_WILDCARD = "*"  # jsonpath-rw takes it as one in quotes, too


def plain_steps(text: str) -> tuple[Step, ...] | None:
    """Return the keys and indexes that `text` names, or None when it is no plain path."""
    if not _PLAIN.fullmatch(text):
        return None
    tokens = _STEP.findall(text)
    steps = tuple(_step(token) for token in tokens)
    return None if _RESERVED_WORD in tokens or _WILDCARD in steps else steps


def plain_finder(steps: tuple[Step, ...]) -> Finder:
    """Return the function that looks up the value at `steps`; None where there is none."""
    match steps:
        case (str() as key,):
            return lambda body: body.get(key)
        case (str() as outer, str() as key):
            return _pair_finder(outer, key)
        case _:
            return _chain_finder(steps)


def path_name(steps: tuple[Step, ...]) -> str:
    """Return the path as plugins are told it: unquoted, an index as an element of its own."""
    return ".".join(step if isinstance(step, str) else f"[{step}]" for step in steps)


def _step(token: str) -> Step:
    if token[0] == "[":
        return int(token[1:-1])
    if token[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    return token


def _pair_finder(outer: str, key: str) -> Finder:
    def find(body: Mapping[str, Any]) -> Any:
        inner = body.get(outer)
        return inner.get(key) if type(inner) is dict else _look_up(inner, key)

    return find


def _chain_finder(steps: tuple[Step, ...]) -> Finder:
    def find(body: Mapping[str, Any]) -> Any:
        value: Any = body
        for step in steps:
            value = value.get(step) if type(value) is dict else _look_up(value, step)
            if value is None:
                return None
        return value

    return find


def _look_up(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, Mapping) else None
    # jsonpath-rw indexes texts as well
    if isinstance(value, list | tuple | str) and -len(value) <= step < len(value):
        return value[step]
    return None
