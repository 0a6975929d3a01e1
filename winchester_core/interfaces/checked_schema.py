"""A schema for parameters that depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class CheckedSchema(Schema):
    """The schema of a mapping, and a check of the whole once each key is right by itself.

    `check` raises `voluptuous.Invalid`, whose path names the key at fault. What takes the keys
    apart (documentation, `plugin show`) finds them in `schema`, as with any mapping.
    """

    def __init__(self, keys: Mapping[Any, Any], check: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(dict(keys))
        self._check = check

    def __call__(self, data: Any) -> Any:
        """Return the parameters, defaults filled in."""
        params = super().__call__(data)  # type: ignore[no-untyped-call]
        self._check(params)
        return params
