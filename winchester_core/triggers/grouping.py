"""Which stream of a trigger an event belongs to: the group of its distinguishing traits."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from winchester_core.triggers.distinguishing import CELLS, time_reader, value_reader
from winchester_core.triggers.group_key import encode_trait, encode_trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.timex import Expression
    from winchester_core.triggers.distinguishing import Reader
    from winchester_core.triggers.group_key import GroupValue


Identity: TypeAlias = tuple[Hashable, ...]
"""What tells a group from all others, of other groupings as well."""

MAX_IDENTIFYING = 100
"""How long a text may be that is part of an identity: they are remembered."""


@dataclass(frozen=True, slots=True)
class DistinguishingTrait:
    """One part of `distinguished_by`: a trait, and the time expression it goes through if any."""

    name: str
    expression: Expression | None = None


class Group(NamedTuple):
    """The distinguishing values of a stream, and the 32 bytes that identify them."""

    key: bytes
    values: Mapping[str, GroupValue]


_new = tuple.__new__
"""Makes a `Group` in half the time that calling it takes: one is made for every match."""


class Grouping:
    """How a trigger divides events into streams. Safe to share between threads."""

    def __init__(self, trigger_name: str, traits: Iterable[DistinguishingTrait]) -> None:
        self.traits = tuple(traits)
        self._readers: list[tuple[str, Reader]] = []
        encoded = encode_trigger(trigger_name)
        # in code-point order, so that the order in which a trigger lists them does not matter
        for each in sorted(self.traits, key=lambda each: each.name):
            self._readers.append((each.name, _reader(each, encoded + encode_trait(each.name))))
            encoded = b""  # the first reader begins with the trigger
        self._begin = encoded
        self._identifying = [
            (each.name, CELLS.get(each.expression.text) if each.expression else None)
            for each in self.traits
        ]
        self._has_identities = all(
            each.expression is None or each.expression.text in CELLS for each in self.traits
        )

    def of(self, event: Mapping[str, Any], stand_ins: Mapping[str, str]) -> Group:
        """Return the group of `event`; `stand_ins` is the criterion's `map_distinguished_by`.

        Raises `NoGroup` when a trait is missing or cannot go through its time expression.
        """
        values: dict[str, GroupValue] = {}
        encoded = self._begin
        for name, read in self._readers:
            values[name], code = read(event, stand_ins.get(name, name) if stand_ins else name)
            encoded += code
        return _new(Group, (sha256(encoded).digest(), values))

    def identity(self, event: Mapping[str, Any]) -> Identity | None:
        """What events of one group have in common, and those of no two groups; no stand-ins.

        It takes less time than the group. None unless each trait is a short text, or a UTC time
        that goes through an expression in `CELLS`; nearly all are.
        """
        if not self._has_identities:
            return None
        identity: list[Hashable] = [self]
        for name, cell_of in self._identifying:
            value = event.get(name)
            if cell_of is None:
                if type(value) is not str or len(value) > MAX_IDENTIFYING:
                    return None
                identity.append(value)
            elif type(value) is datetime and value.tzinfo is UTC:
                identity.append(cell_of(value))
            else:
                return None
        return tuple(identity)


def _reader(trait: DistinguishingTrait, prefix: bytes) -> Reader:
    if trait.expression is None:
        return value_reader(prefix)
    return time_reader(prefix, trait.expression)
