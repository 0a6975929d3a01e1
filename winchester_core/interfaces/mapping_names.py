"""Validator for names of mappings in the parameters of sources."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, MultipleInvalid, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.suggestions import unknown_name_message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NAME = All(str, Length(min=1, max=255))

_known: ContextVar[Collection[str] | None] = ContextVar("known_mappings", default=None)


@contextmanager
def known_mappings(names: Collection[str]) -> Iterator[None]:
    """Let `mapping_names` refuse other names than these in this thread, until the context ends.

    So an unknown name is reported with its position in the file, at any depth of the parameters of
    any source. A program that creates a source itself has no list of mappings to compare with.
    """
    token = _known.set(names)
    try:
        yield
    finally:
        _known.reset(token)


@json_schema(AnyOf(_NAME, [_NAME]))
def mapping_names(value: Any) -> list[str]:
    """Validate the name of a mapping, or a list of names; return a list for `Message.mappings`.

    Use it in the `config_schema` of a source. Raises `voluptuous.Invalid`, also for a name that is
    not a mapping of the configuration.
    """
    if isinstance(value, list):
        names: list[str] = Schema([_NAME])(value)
    else:
        names = [
            Schema(AnyOf(_NAME, msg="expected the name of a mapping, or a list of names"))(value)
        ]
    known = _known.get()
    unknown = [] if known is None else [name for name in names if name not in known]
    if unknown and isinstance(value, list):
        raise MultipleInvalid(
            [Invalid(_message(name, known), path=[value.index(name)]) for name in unknown]
        )
    if unknown:
        raise Invalid(_message(unknown[0], known))
    return names


def _message(name: str, known: Collection[str] | None) -> str:
    return unknown_name_message("mapping", name, known or ())
