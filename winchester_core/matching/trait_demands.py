"""Compiles what stands beside a trait in criteria: a constant, a condition, or a combination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid

from winchester_core.errors import PluginError
from winchester_core.matching.combinators import AllDemand, AnyDemand, NotDemand
from winchester_core.matching.conditions.constant import ConstantCondition
from winchester_core.matching.demands import ConditionDemand
from winchester_core.matching.problems import Problems, within
from winchester_core.matching.spelling import unknown_name

if TYPE_CHECKING:
    from winchester_core.interfaces import Condition
    from winchester_core.matching.demands import Demand

COMBINATORS = ("all", "any", "not")
MAX_DEPTH = 10
"""How deep combinators may nest: more than anybody writes, and an end to YAML that holds itself."""


class DemandCompiler:
    """Compiles demands on traits with the conditions that it knows.

    Everything raises `voluptuous.Invalid`, with paths relative to the value that it was given.
    """

    def __init__(self, conditions: Mapping[str, type[Condition]]) -> None:
        self._conditions = conditions

    def compile(self, trait: str, wanted: Any, depth: int = 0) -> Demand:
        """Return the demand that `wanted`, a constant or a one-key map, makes of `trait`."""
        if depth > MAX_DEPTH:
            raise Invalid(f"nested more than {MAX_DEPTH} deep")
        if not isinstance(wanted, Mapping):
            return _constant(trait, wanted)
        name, expression = _only_item(wanted)
        with within(name):
            match name:
                case "not":
                    return NotDemand(self.compile(trait, expression, depth + 1))
                case "any":
                    return AnyDemand(self._list(trait, expression, depth + 1))
                case "all":
                    return AllDemand(self._list(trait, expression, depth + 1))
                case _:
                    return make_demand(trait, name, self._class(name), expression)

    def _list(self, trait: str, wanted: Any, depth: int) -> tuple[Demand, ...]:
        if not isinstance(wanted, (list, tuple)) or not wanted:
            raise Invalid("a list of at least one condition or constant is wanted")
        problems = Problems()
        demands = []
        for position, item in enumerate(wanted):
            with problems.at(position):
                demands.append(self.compile(trait, item, depth))
        problems.raise_if_any()
        return tuple(demands)

    def _class(self, name: Any) -> type[Condition]:
        if isinstance(name, str):
            try:
                return self._conditions[name]
            except KeyError:
                pass  # unknown, as is what is no name at all
            except PluginError as error:
                raise Invalid(str(error)) from error
        raise Invalid(unknown_name("condition", name, {*self._conditions, *COMBINATORS}))


def make_demand(trait: str, name: str, found: type[Condition], expression: Any) -> Demand:
    """Validate `expression` by the schema of the class, and make the condition.

    Raises `voluptuous.Invalid`, also when the plugin's code raises anything else.
    """
    try:
        return ConditionDemand(found(trait, found.config_schema(expression)))
    except Invalid:
        raise
    except Exception as error:
        raise Invalid(f"condition {name!r} raised {type(error).__name__}: {error}") from error


def _constant(trait: str, wanted: Any) -> Demand:
    if isinstance(wanted, (list, tuple, set, frozenset)):
        raise Invalid("a list is no constant; write 'in: [...]' to demand one of several")
    return make_demand(trait, "constant", ConstantCondition, wanted)


def _only_item(wanted: Mapping[Any, Any]) -> tuple[Any, Any]:
    if not wanted:
        raise Invalid("an empty map; a constant or one condition, such as {int: '> 3'}, is wanted")
    if len(wanted) > 1:
        names = ", ".join(map(str, wanted))
        raise Invalid(
            f"a map of {len(wanted)} conditions ({names:.200}), and one is allowed; "
            "write 'all: [...]' or 'any: [...]' to combine them"
        )
    return next(iter(wanted.items()))
