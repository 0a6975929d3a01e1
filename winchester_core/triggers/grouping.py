"""The canonical bytes of a group, of which the SHA-256 is its key.

Every piece is type-tagged and length-prefixed, so that no two groups have the same bytes. They
never change: keys are stored.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from winchester_core.timex import Expression

GroupValue: TypeAlias = str | int | float | bool | datetime | TimeRange


def encode_trigger(name: str) -> bytes:
    """The bytes of a trigger's name, with which those of its groups begin."""
    return _tagged(b"n", name)


def encode_trait(name: str) -> bytes:
    """The bytes of a distinguishing trait's name, after which those of its value stand."""
    return _tagged(b"k", name)


def encode_value(value: GroupValue) -> bytes:
    """The bytes of one distinguishing value; int 1, float 1.0, "1" and True are four values."""
    if isinstance(value, str):
        return _tagged(b"s", value)
    if isinstance(value, bool):
        return b"b1:1" if value else b"b1:0"
    if isinstance(value, int):
        return _tagged(b"i", str(value))
    if isinstance(value, float):
        return _tagged(b"f", repr(value + 0.0))  # -0.0 + 0.0 is 0.0
    if isinstance(value, datetime):
        return _tagged(b"t", value.isoformat(timespec="microseconds"))
    return b"r" + encode_value(value.begin) + encode_value(value.end)


def _tagged(tag: bytes, text: str) -> bytes:
    encoded = text.encode()
    return b"%b%d:%b" % (tag, len(encoded), encoded)


# Reads one distinguishing trait of an event: its value, and the bytes of the group's key.
#
# Readers are closures: they are called for every event, and a closure finds what it needs sooner
# than a method does.

if TYPE_CHECKING:
    EncodedValue: TypeAlias = tuple[GroupValue, bytes]
    GroupKeyReader: TypeAlias = Callable[[Mapping[str, Any], str], EncodedValue]

CALENDAR_PERIODS: Mapping[str, Callable[[datetime], Hashable]] = {
    "hour": lambda moment: (moment.toordinal(), moment.hour),
    "day": datetime.toordinal,
    "month": lambda moment: (moment.year, moment.month),
    "year": lambda moment: moment.year,
}
"""Expressions whose value is the same for all times of one cell of the calendar (UTC)."""

MAX_CACHED_PERIODS = 1_000
"""How many ranges each trait remembers. Events that come late, or a replay, are in several."""


class GroupingError(Exception):
    """An event has no place in any stream of a trigger; the text says why."""


def make_value_reader(prefix: bytes) -> GroupKeyReader:
    """What gives the value of a trait, and `prefix` with its bytes. It raises `GroupingError`."""

    def read(event: Mapping[str, Any], source: str) -> EncodedValue:
        value = event.get(source)
        if type(value) is str:  # as most are: `encode_value` without its calls
            text = value.encode()
            return value, b"%bs%d:%b" % (prefix, len(text), text)
        if value is None:
            raise _missing_trait(source)
        return value, prefix + encode_value(value)

    return read


def make_time_reader(prefix: bytes, expression: Expression) -> GroupKeyReader:
    """What gives the value of an expression whose `$timestamp` is the trait, and its bytes.

    It raises `GroupingError`.
    """
    cell_of = CALENDAR_PERIODS.get(expression.text)
    by_cell: dict[Hashable, EncodedValue] = {}

    def read(event: Mapping[str, Any], source: str) -> EncodedValue:
        value = event.get(source)
        if not isinstance(value, datetime):
            raise _missing_trait(source) if value is None else _not_a_datetime(source, expression)
        if cell_of is None or value.tzinfo is not UTC:
            return _evaluate(expression, value, source, prefix)
        cell = cell_of(value)
        found = by_cell.get(cell)
        if found is None:
            found = _evaluate(expression, value, source, prefix)
            if len(by_cell) >= MAX_CACHED_PERIODS:
                by_cell.clear()  # all at once: what is in use is found again at once
            by_cell[cell] = found
        return found

    return read


def _evaluate(expression: Expression, value: datetime, source: str, prefix: bytes) -> EncodedValue:
    try:
        result = expression.evaluate({"timestamp": value})
    except TimeEvaluationError as error:
        raise GroupingError(f"its trait {source!r}: {error}") from None
    found = result if isinstance(result, TimeRange) else result.timestamp
    return found, prefix + encode_value(found)


def _missing_trait(source: str) -> GroupingError:
    return GroupingError(f"it has no trait {source!r} to distinguish its stream by")


def _not_a_datetime(source: str, expression: Expression) -> GroupingError:
    return GroupingError(f"its trait {source!r} is no datetime, which {expression.text!r} needs")


GroupIdentity: TypeAlias = tuple[Hashable, ...]
"""What tells a group from all others, of other groupings as well."""

MAX_IDENTITY_TEXT_LENGTH = 100
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
        self._readers: list[tuple[str, GroupKeyReader]] = []
        encoded = encode_trigger(trigger_name)
        # in code-point order, so that the order in which a trigger lists them does not matter
        for each in sorted(self.traits, key=lambda each: each.name):
            self._readers.append((each.name, _make_reader(each, encoded + encode_trait(each.name))))
            encoded = b""  # the first reader begins with the trigger
        self._begin = encoded
        self._identifying = [
            (each.name, CALENDAR_PERIODS.get(each.expression.text) if each.expression else None)
            for each in self.traits
        ]
        self._has_identities = all(
            each.expression is None or each.expression.text in CALENDAR_PERIODS
            for each in self.traits
        )

    def group_of(self, event: Mapping[str, Any], trait_mapping: Mapping[str, str]) -> Group:
        """Return the group of `event`; `trait_mapping` is the criterion's `map_distinguished_by`.

        Raises `GroupingError` when a trait is missing or cannot go through its time expression.
        """
        values: dict[str, GroupValue] = {}
        encoded = self._begin
        for name, read in self._readers:
            values[name], code = read(
                event, trait_mapping.get(name, name) if trait_mapping else name
            )
            encoded += code
        return _new(Group, (sha256(encoded).digest(), values))

    def identity(self, event: Mapping[str, Any]) -> GroupIdentity | None:
        """What events of one group have in common, and those of no two groups; no stand-ins.

        It takes less time than the group. None unless each trait is a short text, or a UTC time
        that goes through an expression in `CALENDAR_PERIODS`; nearly all are.
        """
        if not self._has_identities:
            return None
        identity: list[Hashable] = [self]
        for name, cell_of in self._identifying:
            value = event.get(name)
            if cell_of is None:
                if type(value) is not str or len(value) > MAX_IDENTITY_TEXT_LENGTH:
                    return None
                identity.append(value)
            elif type(value) is datetime and value.tzinfo is UTC:
                identity.append(cell_of(value))
            else:
                return None
        return tuple(identity)


def _make_reader(trait: DistinguishingTrait, prefix: bytes) -> GroupKeyReader:
    if trait.expression is None:
        return make_value_reader(prefix)
    return make_time_reader(prefix, trait.expression)


MAX_CACHED_GROUPS = 20_000
"""How many groups are remembered, some ten megabytes."""


class GroupCache:
    """Remembers groups by what tells them apart, of however many triggers. Bounded.

    To find one takes half the time of reckoning its values and its key. Safe to share between
    threads.
    """

    def __init__(self) -> None:
        self._groups: dict[GroupIdentity, Group] = {}

    def group_of(
        self, grouping: Grouping, event: Mapping[str, Any], trait_mapping: Mapping[str, str]
    ) -> Group:
        """What `grouping.of(event, trait_mapping)` gives. Raises `GroupingError` as it does."""
        identity = None if trait_mapping else grouping.identity(event)
        if identity is None:
            return grouping.group_of(event, trait_mapping)
        group = self._groups.get(identity)
        if group is None:
            group = grouping.group_of(event, trait_mapping)
            if len(self._groups) >= MAX_CACHED_GROUPS:
                self._groups.clear()  # all at once: what is in use is soon known again
            self._groups[identity] = group
        return group
