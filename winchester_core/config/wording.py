"""Sentences for voluptuous' errors: what is wrong, and what is allowed in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Marker, MultipleInvalid, RequiredFieldInvalid, Schema

from winchester_core.config.secrets import MASK, is_secret_key, mask_url
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.config.document import Path

MAX_SHOWN = 60
UNKNOWN_KEY = "extra keys not allowed"
KINDS = {
    "expected str": "expected text",
    "expected int": "expected a whole number",
    "expected float": "expected a number with a decimal point",
    "expected bool": "expected true or false",
    "expected list": "expected a list",
    "expected a list": "expected a list",
    "expected dict": "expected a mapping",
    "expected a dictionary": "expected a mapping",
    "expected NoneType": "expected nothing",
}


class Expected(Invalid):
    """A value that is not what a message, beginning with "expected", asks for.

    The report adds what stands there instead, unless it is secret.
    """


class BadKey(Invalid):
    """A whole sentence about a key rather than its value."""


def errors_of(error: Invalid) -> list[Invalid]:
    """The single errors that `error` holds; missing keys last, since they come in no order."""
    errors = list(error.errors) if isinstance(error, MultipleInvalid) else [error]
    missing = [single for single in errors if isinstance(single, RequiredFieldInvalid)]
    missing.sort(key=lambda single: str(single.path[-1]))
    return [single for single in errors if single not in missing] + missing


def path_of(error: Invalid) -> Path:
    """The path of an error, its keys as they stand in the file."""
    return tuple(key.schema if isinstance(key, Marker) else key for key in error.path)


def is_about_key(error: Invalid) -> bool:
    """Tell whether an error concerns a key rather than its value."""
    if isinstance(error, BadKey) or error.msg == UNKNOWN_KEY:
        return True
    return error.msg.startswith("unknown key")  # as criteria and definitions have it


def sentence(error: Invalid, value: Any, schema: Any = None, *, secret: bool = False) -> str:
    """Say what is wrong with `value`, which stands at the error's path.

    `schema` is the one that refused it, for the names that would have been allowed. A `secret`
    value is not shown, nor is one that stands under the key of a secret.
    """
    path = path_of(error)
    if error.msg == UNKNOWN_KEY:
        return unknown_key(path[-1], known_keys(schema, path[:-1]))
    if isinstance(error, RequiredFieldInvalid):
        return "is missing" if error.msg == "required key not provided" else error.msg
    secret = secret or any(is_secret_key(key) for key in path)
    text = _hide(error.msg, value) if secret else mask_url(error.msg)
    if type(error) in (Invalid, BadKey) and text not in KINDS:
        return text
    return f"{KINDS.get(text, text)}, not {MASK if secret else shown(value)}"


def unknown_key(key: object, known: set[str] | None) -> str:
    """Say that a key is not known, and, where that is known, which is meant or which are."""
    message = f"unknown key {key!r}"
    return message if known is None else f"{message}; {suggestion(key, known, 'allowed')}"


def shown(value: Any) -> str:
    """Name a value in a sentence: short, and without the passwords of URLs."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(mask_url(value) if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def known_keys(schema: Any, path: Path) -> set[str] | None:
    """The names that `schema` has for the keys of the mapping at `path`; None if it tells none."""
    mappings = [found for found in _schemas_at(schema, path) if isinstance(found, Mapping)]
    if not mappings:
        return None
    keys = (_plain(key) for mapping in mappings for key in mapping)
    return {key for key in keys if isinstance(key, str)}


def _schemas_at(schema: Any, path: Path) -> Iterator[Any]:
    if isinstance(schema, Schema):
        yield from _schemas_at(schema.schema, path)
    elif hasattr(schema, "validators"):
        for alternative in schema.validators:
            yield from _schemas_at(alternative, path)
    elif not path:
        yield schema
    elif isinstance(schema, Mapping):
        for key, inner in schema.items():
            if _plain(key) == path[0] or isinstance(_plain(key), type):
                yield from _schemas_at(inner, path[1:])
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from _schemas_at(inner, path[1:])


def _plain(key: Any) -> Any:
    return key.schema if isinstance(key, Marker) else key


def _hide(message: str, value: Any) -> str:
    """Take a secret out of a message that quotes it."""
    text = re.escape(str(value))
    return re.sub(rf"(?<!\w){text}(?!\w)", MASK, message) if value else message
