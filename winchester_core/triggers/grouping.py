"""Grouping of a trigger's events into streams by their distinguishing traits.

A group's key is the SHA-256 of a canonical encoding of the trigger's name and the traits' names and
values. Each part has a type tag and a length prefix, so different groups have different encodings.
The encoding must never change, because keys are stored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.timex import Expression

PeriodReader: TypeAlias = Callable[[datetime], Hashable]

GroupValue: TypeAlias = str | int | float | bool | datetime | TimeRange


def encode_trigger(name: str) -> bytes:
    """Return the encoding of a trigger's name. It is the prefix of its groups' encodings."""
    return _tagged(b"n", name)


def encode_trait(name: str) -> bytes:
    """Return the encoding of a distinguishing trait's name. The value follows it."""
    return _tagged(b"k", name)


def encode_value(value: GroupValue) -> bytes:
    """Return the encoding of a value. int 1, float 1.0, "1" and True are four values."""
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


# --- reading distinguishing traits ----------------------------------------------------------------
# Readers are closures, because they run for every event and free variables are faster than
# attributes.

if TYPE_CHECKING:
    EncodedValue: TypeAlias = tuple[GroupValue, bytes]
    GroupKeyReader: TypeAlias = Callable[[Mapping[str, Any], str], EncodedValue]

CALENDAR_PERIODS: Mapping[str, PeriodReader] = {
    "hour": lambda moment: (moment.toordinal(), moment.hour),
    "day": datetime.toordinal,
    "month": lambda moment: (moment.year, moment.month),
    "year": lambda moment: moment.year,
}
"""Expressions that have the same value for all times of one calendar period. The periods of UTC."""

MAX_CACHED_PERIODS = 1_000
"""Number of ranges to cache for each trait; late events and replays use several periods."""


def make_period_reader(expression: Expression) -> PeriodReader | None:
    """Return a function from an aware UTC time to its calendar period, or None.

    Two times have the same period if and only if `expression` has the same value for both. If there
    is no such function, or it would not be faster than evaluating `expression`, returns None.
    """
    period_of = CALENDAR_PERIODS.get(expression.text)
    if period_of is None or expression.zone is UTC:
        return period_of
    return _make_local_period_reader(expression)


_BEFORE_ALL_TIMES = (datetime.min.replace(tzinfo=UTC),)


def _make_local_period_reader(expression: Expression) -> PeriodReader:
    # Invariants:
    #
    # 1. A period is the beginning of its range. `begins` is sorted, `ends` has the ends, and ranges
    # do not overlap. The local date would not be exact: the clock may be put back across midnight.
    # 2. The first range is before all times and empty, so that every time has a predecessor.
    # 3. No lock is needed: `known` is replaced as a whole. A race only loses or repeats a
    # range.
    known: tuple[tuple[datetime, ...], tuple[datetime, ...]]
    known = (_BEFORE_ALL_TIMES, _BEFORE_ALL_TIMES)

    def period_of(moment: datetime) -> datetime:
        begins, ends = known
        position = bisect_right(begins, moment)
        if moment < ends[position - 1]:
            return begins[position - 1]
        return evaluate(moment)

    def evaluate(moment: datetime) -> datetime:
        nonlocal known
        try:
            value = expression.evaluate({"timestamp": moment})
        except TimeEvaluationError:
            return moment  # its group has the same error
        begins, ends = known
        if len(begins) > MAX_CACHED_PERIODS:
            begins = ends = _BEFORE_ALL_TIMES
        position = bisect_right(begins, moment)
        known = (
            (*begins[:position], value.begin, *begins[position:]),
            (*ends[:position], value.end, *ends[position:]),
        )
        return value.begin

    return period_of


class GroupingError(Exception):
    """An event belongs to no group of a trigger. The text is the reason."""


def make_value_reader(prefix: bytes) -> GroupKeyReader:
    """Return a function that reads a trait and encodes it after `prefix`.

    The function raises `GroupingError`.
    """

    def read(event: Mapping[str, Any], trait: str) -> EncodedValue:
        value = event.get(trait)
        if type(value) is str:  # the usual case; `encode_value` is inlined
            text = value.encode()
            return value, b"%bs%d:%b" % (prefix, len(text), text)
        if value is None:
            raise _missing_trait(trait)
        return value, prefix + encode_value(value)

    return read


def make_time_reader(prefix: bytes, expression: Expression) -> GroupKeyReader:
    """Return a function that evaluates `expression`, with the trait as `$timestamp`.

    The function encodes the result after `prefix`, and raises `GroupingError`.
    """
    period_of = make_period_reader(expression)
    cache: dict[Hashable, EncodedValue] = {}

    def read(event: Mapping[str, Any], trait: str) -> EncodedValue:
        value = event.get(trait)
        if not isinstance(value, datetime):
            raise _missing_trait(trait) if value is None else _not_a_datetime(trait, expression)
        if period_of is None or value.tzinfo is not UTC:
            return _evaluate(expression, value, trait, prefix)
        period = period_of(value)
        found = cache.get(period)
        if found is None:
            found = _evaluate(expression, value, trait, prefix)
            if len(cache) >= MAX_CACHED_PERIODS:
                cache.clear()  # simpler than an LRU cache; each period in use costs one miss
            cache[period] = found
        return found

    return read


def _evaluate(expression: Expression, value: datetime, trait: str, prefix: bytes) -> EncodedValue:
    try:
        result = expression.evaluate({"timestamp": value})
    except TimeEvaluationError as error:
        raise GroupingError(f"its trait {trait!r}: {error}") from None
    group_value = result if isinstance(result, TimeRange) else result.timestamp
    return group_value, prefix + encode_value(group_value)


def _missing_trait(trait: str) -> GroupingError:
    return GroupingError(f"it lacks the distinguishing trait {trait!r}")


def _not_a_datetime(trait: str, expression: Expression) -> GroupingError:
    return GroupingError(f"its trait {trait!r} is not a datetime, as {expression.text!r} requires")


# --- groups ---------------------------------------------------------------------------------------

GroupIdentity: TypeAlias = tuple[Hashable, ...]
"""Identifies a group among the groups of all groupings."""

MAX_IDENTITY_TEXT_LENGTH = 100
"""Maximum length of texts in an identity, because identities are cached."""


@dataclass(frozen=True, slots=True)
class DistinguishingTrait:
    """A part of `distinguished_by`: a trait, and its time expression if there is one."""

    name: str
    expression: Expression | None = None


class Group(NamedTuple):
    """The distinguishing values of a stream, and the group key (32 bytes)."""

    key: bytes
    values: Mapping[str, GroupValue]


_new_tuple = tuple.__new__
"""Creates a `Group` in half the time of its constructor. Every match creates a group."""


def group_key(trigger_name: str, values: Mapping[str, GroupValue]) -> bytes:
    """Return the key of the group with these distinguishing values, as `Grouping.group_of` does."""
    encoded = encode_trigger(trigger_name) + b"".join(
        encode_trait(name) + encode_value(value) for name, value in sorted(values.items())
    )
    return sha256(encoded).digest()


class Grouping:
    """Groups a trigger's events into streams. Thread-safe."""

    def __init__(self, trigger_name: str, traits: Iterable[DistinguishingTrait]) -> None:
        self.traits = tuple(traits)
        self._readers: list[tuple[str, GroupKeyReader]] = []
        encoded = encode_trigger(trigger_name)
        # sorted by code point, so that the order in the configuration does not matter
        for each in sorted(self.traits, key=lambda each: each.name):
            self._readers.append((each.name, _make_reader(each, encoded + encode_trait(each.name))))
            encoded = b""  # only the first reader's prefix includes the trigger
        self._prefix = encoded
        self._identity_traits = [
            (each.name, make_period_reader(each.expression) if each.expression else None)
            for each in self.traits
        ]
        self._supports_identities = all(
            each.expression is None or each.expression.text in CALENDAR_PERIODS
            for each in self.traits
        )

    def group_of(self, event: Mapping[str, Any], trait_mapping: Mapping[str, str]) -> Group:
        """Return the group of `event`. `trait_mapping` is the criterion's `map_distinguished_by`.

        Raises `GroupingError` if a trait is missing or its time expression has no value.
        """
        values: dict[str, GroupValue] = {}
        encoded = self._prefix
        for name, read in self._readers:
            values[name], encoded_value = read(
                event, trait_mapping.get(name, name) if trait_mapping else name
            )
            encoded += encoded_value
        return _new_tuple(Group, (sha256(encoded).digest(), values))

    def identity(self, event: Mapping[str, Any]) -> GroupIdentity | None:
        """Return the identity of the event's group without a trait mapping, or None.

        It is faster to compute than the group. Two events have equal identities if and only if
        their groups are equal. Nearly always, each trait is a short text, or a UTC time with
        an expression in `CALENDAR_PERIODS`; otherwise returns None.
        """
        if not self._supports_identities:
            return None
        identity: list[Hashable] = [self]
        for name, period_of in self._identity_traits:
            value = event.get(name)
            if period_of is None:
                if type(value) is not str or len(value) > MAX_IDENTITY_TEXT_LENGTH:
                    return None
                identity.append(value)
            elif type(value) is datetime and value.tzinfo is UTC:
                identity.append(period_of(value))
            else:
                return None
        return tuple(identity)


def _make_reader(trait: DistinguishingTrait, prefix: bytes) -> GroupKeyReader:
    if trait.expression is None:
        return make_value_reader(prefix)
    return make_time_reader(prefix, trait.expression)


MAX_CACHED_GROUPS = 20_000
"""Maximum number of cached groups, about ten megabytes."""

# Invariants of the group cache:
#
# 1. A group is a pure function of its identity. The identity includes the `Grouping` object, and a
# changed trigger has a new one, so entries are never outdated. 2. Two events have equal identities
# if and only if their groups are equal. 3. If there is no identity (a trait mapping, another type,
# a long text), the group is computed. 4. No lock is needed: a dict operation is atomic, and a race
# only computes an equal group twice.


class GroupCache:
    """Bounded cache of the groups of all triggers, by identity. Thread-safe.

    Most events belong to a recently seen group, and a lookup takes half the time of computing its
    values and key.
    """

    def __init__(self) -> None:
        self._groups: dict[GroupIdentity, Group] = {}

    def group_of(
        self, grouping: Grouping, event: Mapping[str, Any], trait_mapping: Mapping[str, str]
    ) -> Group:
        """Return `grouping.group_of(event, trait_mapping)`, cached. Raises `GroupingError`."""
        identity = None if trait_mapping else grouping.identity(event)
        if identity is None:
            return grouping.group_of(event, trait_mapping)
        group = self._groups.get(identity)
        if group is None:
            group = grouping.group_of(event, trait_mapping)
            if len(self._groups) >= MAX_CACHED_GROUPS:
                self._groups.clear()  # simpler than an LRU cache; each group in use costs one miss
            self._groups[identity] = group
        return group
