"""Base class of notification trait plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import ALLOW_EXTRA, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence


class TraitPlugin:
    """Converts the values found at a trait's field paths to the value of the trait.

    The interface is the same as in StackDistiller, so its plugins work unchanged. Each trait of
    each definition has its own instance; `parameters` come from the definition file. `example` is
    an entry of an event definition's `traits` in YAML, as in `host: {fields: publisher_id, plugin:
    split}`; the documentation and `winchester plugin show` print it.
    """

    config_schema: ClassVar[Schema] = Schema({}, extra=ALLOW_EXTRA)
    example: ClassVar[str] = ""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        """Return the value, or None for no trait.

        `match_list` contains (path, value) for each value found, in the order of the paths; it may
        be empty. If the method raises an exception, the trait is dropped, and the exception is the
        reason.
        """
        raise NotImplementedError
