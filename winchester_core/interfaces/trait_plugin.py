"""Base class of notification trait plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import ALLOW_EXTRA, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence


class TraitPlugin:
    """Converts the values found at a trait's field paths to the value of the trait.

    The interface is that of StackDistiller, so its plugins work unchanged. One instance serves
    one trait of one definition; `parameters` come from the definition file. `example` is YAML for
    the documentation and `winchester plugin show`: an entry of `traits` of an event definition,
    as in `host: {fields: publisher_id, plugin: split}`.
    """

    config_schema: ClassVar[Schema] = Schema({}, extra=ALLOW_EXTRA)
    example: ClassVar[str] = ""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        """Return the value, or None for no trait.

        `match_list` holds (path, value) for every value found, in the order of the paths; it may
        be empty. An exception drops the trait, with the exception as the reason.
        """
        raise NotImplementedError
