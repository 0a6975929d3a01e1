"""Triggers with order, windows, distinct values, sums, cancelling, waiting and silence; events.

Times are whole seconds on a scale so short that events often meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import strategies as st

from support.builders.events import at
from winchester_core.model.stream import CLAIM_REASONS, Reason
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.event import Event

KINDS = ("a", "b", "c", "d")
LAST_SECOND = 14


def make_pattern(fire: Sequence[Mapping[str, Any]] = (), **keys: Any) -> TriggerDefinition:
    """Return a trigger that collects all events of an instance for a day after the last."""
    config = {
        "name": "pattern",
        "distinguished_by": ["instance"],
        "match_criteria": [{"event_type": "*"}],
        "expiration": "$last + 1d",
        "expire_pipeline": "expire",
        **keys,
    }
    if fire:
        config |= {"fire_criteria": [dict(each) for each in fire], "fire_pipeline": "fire"}
    return TriggerDefinition.from_config(config, {})


some_kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True)
durations = st.integers(1, 6)
mostly_not = st.sampled_from([False, False, False, True])


@st.composite
def fire_criteria(draw: st.DrawFn, *, may_sum: bool) -> dict[str, Any]:
    """Draw one fire criterion."""
    criterion: dict[str, Any] = {"event_type": draw(some_kinds)}
    if may_sum and draw(mostly_not):
        total = draw(st.sampled_from([0.3, 1, 1.0, 2.5]))
        return {**criterion, "sum": {"size": {"at_least": total}}}
    criterion["number"] = draw(st.integers(1, 3))
    if draw(mostly_not):
        criterion["within"] = draw(st.integers(0, 5))
    if draw(mostly_not):
        criterion["distinct"] = "size"
    return criterion


@st.composite
def patterns(
    draw: st.DrawFn,
    *,
    may_end: bool = True,
    may_cancel: bool = True,
    may_keep: bool = True,
    selecting: Mapping[str, Any] | None = None,
) -> Any:
    """Draw a trigger. If it may not end, its streams never expire, and events wait long enough.

    If it may not cancel, it has no cancel criteria; if it may not keep, no members leave. If
    `selecting` are match and cancel criteria, only the other keys are drawn.
    """
    keys: dict[str, Any] = {}
    kinds = draw(st.permutations(KINDS))
    if draw(st.booleans()):
        keys["fire_order"] = "sequence"
    if draw(st.booleans()):
        keys["fire_within"] = draw(durations)
        if may_end and may_keep and draw(mostly_not):
            keys["keep"] = keys["fire_within"] + draw(st.integers(0, 3))
    if selecting is not None:
        keys |= selecting
    elif draw(st.booleans()):
        joining = {"event_type": sorted(kinds[:2]), "opens": False}
        keys["match_criteria"] = [joining, {"event_type": "*"}]
    if selecting is None and may_cancel and draw(st.booleans()):
        keys["cancel_criteria"] = [{"event_type": kinds[3]}]
    if "match_criteria" in keys or "cancel_criteria" in keys:
        lateness = draw(durations) if may_end else 1_000_000
        if not may_end or draw(st.booleans()):
            keys["lateness"] = lateness
    if may_end:
        start = draw(st.sampled_from(["$first", "$last", "$last", "$timestamp"]))
        keys["expiration"] = f"{start} + {draw(durations)}s"
        if draw(mostly_not):
            keys["suppress"] = draw(st.integers(1, 20))
        if draw(st.booleans()):
            keys["fire_delay"] = draw(durations)
    plain = not keys.get("fire_order") and not keys.get("fire_within")
    criteria = st.lists(fire_criteria(may_sum=plain), min_size=1, max_size=3)
    fire = draw(criteria)
    return make_pattern(fire, **keys)


@st.composite
def changing_patterns(draw: st.DrawFn) -> list[TriggerDefinition]:
    """Draw versions of a trigger that select the same events.

    A member keeps the role that it had on arrival, which rows do not store, so other versions may
    differ. With `keep`, members have left that other fire criteria would count.
    """
    first = draw(patterns(may_keep=False))
    selecting = {
        "match_criteria": [each.config for each in first.match_criteria],
        "cancel_criteria": [each.config for each in first.cancel_criteria],
    }
    others = patterns(may_keep=False, selecting={k: v for k, v in selecting.items() if v})
    return [first, *draw(st.lists(others, min_size=1, max_size=2))]


@st.composite
def pattern_events(draw: st.DrawFn, ids: int = 40) -> Event:
    """Draw an event; events with one id are duplicates."""
    event: Event = {
        "message_id": f"m{draw(st.integers(0, ids))}",
        "event_type": draw(st.sampled_from(KINDS)),
        "timestamp": at(draw(st.integers(0, LAST_SECOND))),
        "instance": draw(st.sampled_from(["x", "x", "x", "y"])),
    }
    size = draw(st.sampled_from([0.1, 0.1, 0.2, 1, 1.0, "1", True, -2, 2, None]))
    return event if size is None else {**event, "size": size}


@dataclass(frozen=True)
class Arrive:
    """A batch arrives, this many seconds after noon (except on the event clock)."""

    batch: tuple[Event, ...]
    seconds: int


@dataclass(frozen=True)
class Work:
    """A worker claims what is ready for a reason, and completes or fails it."""

    reason: Reason
    fails: bool


@dataclass(frozen=True)
class Upkeep:
    """Waits and silences that are over, and members that are too old, are removed."""


@dataclass(frozen=True)
class ChangeTrigger:
    """The next version of the trigger is loaded; the first one follows the last."""


@dataclass(frozen=True)
class Recalculate:
    """A worker recalculates the streams of a changed trigger."""


PatternStep: TypeAlias = Arrive | Work | Upkeep | ChangeTrigger | Recalculate


def arrivals(least_seconds: int = 0) -> st.SearchStrategy[Arrive]:
    """Return batches; the stream time of each is that of the one before plus its seconds."""
    batches = st.lists(pattern_events(), min_size=1, max_size=8).map(tuple)
    return st.builds(Arrive, batches, st.integers(least_seconds, 4))


def runs_of(*steps: st.SearchStrategy[Any]) -> st.SearchStrategy[list[PatternStep]]:
    """Return runs of these steps, of workers and of upkeep."""
    working = st.builds(Work, st.sampled_from(CLAIM_REASONS), mostly_not)
    return st.lists(st.one_of(*steps, working, st.just(Upkeep())), min_size=1, max_size=12)


pattern_runs = runs_of(arrivals(), arrivals(), arrivals())
wandering_runs = runs_of(arrivals(-3), arrivals(-3), arrivals(-3))
"""Runs in which stream time also goes back, as between hosts whose clocks differ."""
changing_runs = runs_of(
    arrivals(), arrivals(), arrivals(), st.just(ChangeTrigger()), st.just(Recalculate())
)


def later(now: datetime, seconds: int) -> datetime:
    """Return the time some seconds after `now`."""
    return now + timedelta(seconds=seconds)
