"""Base class of conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping


class Condition:
    """A pure, total predicate on one trait of an event.

    `config_schema` validates the expression after the condition's name in `triggers.yaml`. A value
    of the wrong type does not match; `matches` never raises. `example` is an entry of a criterion's
    `traits` in YAML, as in `state: {in: [active, error]}`; the documentation and `winchester plugin
    show` print it.

    Optional method: `in_time_zone(zone: tzinfo) -> Condition` returns the condition for local time
    in `zone`. It is called once for a trigger with a time zone other than UTC.
    """

    config_schema: ClassVar[Schema] = Schema(object)
    example: ClassVar[str] = ""

    def __init__(self, trait: str, expression: Any) -> None:
        self.trait = trait
        self.expression = expression

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait of `event` satisfies the expression."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return the predicate in words, for explanations of why a stream has not fired."""
        return f"{self.trait} satisfies {self.expression!r}"
