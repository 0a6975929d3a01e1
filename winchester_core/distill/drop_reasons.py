"""Reasons why a trait was dropped, safe to log.

A reason may quote a short scalar, since `'512MB' is not an int` shows an operator the cause. It
never quotes an object, a list, or a value if the trait's name or path looks like a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from winchester_core.masking import is_secret_key
from winchester_core.model.event import MAX_INT, MIN_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_SHOWN_LENGTH = 80


def looks_secret(names: Iterable[str]) -> bool:
    """Return whether a trait with these names and paths may hold a secret."""
    return any(map(is_secret_key, names))


def describe_value(value: Any, *, secret: bool = False) -> str:
    """Return up to 80 characters of a scalar; for other values and secrets, only their kind."""
    kind = type(value)  # no isinstance, because a plugin's subclass may override any method
    if kind is str:
        return (
            f"a text of {len(value)} characters"
            if secret
            else truncate(repr(value[:MAX_SHOWN_LENGTH]))
        )
    if kind is int and not MIN_INT <= value <= MAX_INT:
        return f"an integer of {value.bit_length()} bits"  # Python may refuse to print it
    if kind in (int, float, bool) and not secret:
        return repr(value)
    if kind is list:
        return f"a list of {len(value)}"
    if kind is dict:
        return f"an object of {len(value)} keys"
    return f"a value of type {kind.__name__}"


def truncate(text: str) -> str:
    """Truncate `text` to 80 characters."""
    return text if len(text) <= MAX_SHOWN_LENGTH else text[: MAX_SHOWN_LENGTH - 1] + "…"


def describe_failure(
    error: BaseException, found: Sequence[tuple[str, Any]], *, secret: bool
) -> str:
    """Describe an exception of a plugin: its class, source line, and possibly its message.

    The message may quote the values found, so it is shown only if all of them are scalars.
    """
    description = f"raised {type(error).__name__}{_place(error)}"
    if secret or any(isinstance(value, dict | list) for _, value in found):
        return description
    message = _message(error)
    return f"{description}: {truncate(message)}" if message else description


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    file_name = re.split(r"[/\\]", trace.tb_frame.f_code.co_filename)[-1]
    return f" at {file_name}:{trace.tb_lineno}"


def _message(error: BaseException) -> str:
    try:
        return str(error).encode("unicode_escape").decode()
    except Exception:  # noqa: BLE001 - an exception of a plugin, whose __str__ may raise too
        return ""
