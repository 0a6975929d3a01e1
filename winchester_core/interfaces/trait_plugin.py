"""Base class of notification trait plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import ALLOW_EXTRA, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence


class TraitPlugin:
    """Turns what was found at a trait's field paths into the trait's value.

    The interface is that of StackDistiller, so its plugins work as they are. One instance serves
    one trait of one definition; `parameters` come from the definition file. `example` shows its
    use for documentation and `winchester plugin show`: YAML that stands under `traits` of an
    event definition, as in `host: {fields: publisher_id, plugin: split}`.
    """

    config_schema: ClassVar[Schema] = Schema({}, extra=ALLOW_EXTRA)
    example: ClassVar[str] = ""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        """Return the value, or None for no trait.

        `match_list` holds (path, value) for every value found, in the order of the paths; it is
        empty when nothing was found. An exception drops this trait, with its reason.
        """
        raise NotImplementedError
