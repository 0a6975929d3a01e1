"""Steps on a store, as data, so that several stores can execute the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import strategies as st

from support.builders.effect_steps import (
    EffectStep,
    delivering_effects,
    effect_steps,
    queued_endpoints,
)
from support.builders.events import at, make_trigger
from winchester_core.model.stream import CLAIM_REASONS, Reason

if TYPE_CHECKING:
    from winchester_core.model.event import Event

MINUTES = 60
DAYS = 86_400
GROUPS = (1, "1", True)
"""Three groups with values that are equal or look alike."""

OLD_TRIGGERS = (
    make_trigger("by instance"),
    make_trigger(
        "by day",
        by=["instance", {"timestamp": "day"}],
        match=["vm.*", "!vm.start"],
        fire=[{"event_type": "vm.update", "number": 2}, {"traits": {"size": 1}}],
        expiration="$timestamp + 30m",
        fire_delay=10 * MINUTES,
    ),
    make_trigger("all", by=[], match="*", fire=[], expiration="$first + 2h", fire_delay=5400),
)
NEW_TRIGGERS = (
    make_trigger("by instance", fire=[{"event_type": "vm.update", "number": 2}]),
    make_trigger(
        "by day",
        by=["instance", {"timestamp": "day"}],
        match=["vm.*", "!vm.start"],
        fire=[{"event_type": "vm.*", "number": 3}],
        expiration="$last + 20m",
    ),
    make_trigger("all", by=[], match="*", fire=[{"event_type": "vm.end"}], expiration="$last + 1d"),
)


@dataclass(frozen=True)
class Ingest:
    """A batch of events arrives."""

    batch: tuple[Event, ...]


@dataclass(frozen=True)
class AdvanceTime:
    """Stream time and real time advance."""

    time: timedelta


@dataclass(frozen=True)
class ChangeTriggers:
    """The other triggers are loaded from now on."""


@dataclass(frozen=True)
class Recalculate:
    """A worker recalculates all streams under the current triggers."""


@dataclass(frozen=True)
class Claim:
    """A worker claims everything ready; with a negative lease it dies at once."""

    reason: Reason
    lease: timedelta


@dataclass(frozen=True)
class Try:
    """A worker claims all streams that must be tried alone; with a negative lease it dies."""

    lease: timedelta


@dataclass(frozen=True)
class Release:
    """A worker releases every other claim."""


@dataclass(frozen=True)
class Fail:
    """Every other run fails."""

    retry_delay: timedelta
    final: bool


@dataclass(frozen=True)
class Complete:
    """All runs succeed; the first makes these events, each queues effects for these endpoints."""

    made: tuple[Event, ...]
    purge: bool
    fault: str | None
    effects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rescue:
    """Streams of dead workers are rescued."""


@dataclass(frozen=True)
class Reset:
    """An operator resets all streams in error."""


@dataclass(frozen=True)
class Trim:
    """Events older than an hour are trimmed."""


Step: TypeAlias = (
    Ingest
    | AdvanceTime
    | ChangeTriggers
    | Recalculate
    | Claim
    | Try
    | Release
    | Fail
    | Complete
    | Rescue
    | Reset
    | Trim
    | EffectStep
)

events = st.builds(
    lambda number, kind, seconds, group, size: {
        "message_id": f"m{number}",
        "event_type": kind,
        "timestamp": at(seconds),
        "instance": group,
        "size": size,
    },
    number=st.integers(0, 60),
    kind=st.sampled_from(["vm.update", "vm.update", "vm.end", "vm.start", "volume"]),
    # late, in time, ahead, and now and then days ahead
    seconds=st.integers(-24, 72).map(lambda it: it * 5 * MINUTES)
    | st.sampled_from([2 * DAYS, 3 * DAYS]),
    group=st.sampled_from(GROUPS),
    size=st.integers(0, 1),
)
batches = st.lists(events, min_size=1, max_size=12).map(tuple)
times = st.sampled_from([timedelta(minutes=m) for m in (0, 1, 20, 60, 600)])
leases = st.sampled_from([timedelta(hours=1), timedelta(days=1), -timedelta(days=1)])
delays = st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=1)])
mostly = st.sampled_from([True, True, True, False])

ingesting = st.builds(Ingest, batches)
changing = st.sampled_from([ChangeTriggers(), ChangeTriggers(), Recalculate()])
claiming = st.builds(Claim, st.sampled_from(CLAIM_REASONS), leases) | st.builds(Try, leases)
ending: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        Complete,
        batches | st.just(()),
        st.booleans(),
        st.sampled_from([None, None, "no"]),
        queued_endpoints,
    ),
    st.builds(Fail, delays, mostly.map(lambda it: not it)),
    st.sampled_from([Release(), Rescue(), Rescue()]),
)
operating = st.sampled_from([Reset(), Trim()])

single: st.SearchStrategy[list[Step]] = st.one_of(
    ingesting,
    ingesting,
    ingesting,
    st.builds(AdvanceTime, times),
    changing,
    claiming,
    ending,
    operating,
    effect_steps,
).map(lambda step: [step])
worked: st.SearchStrategy[list[Step]] = st.tuples(claiming, ending).map(list)
runs: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(single, single, worked, delivering_effects), min_size=6, max_size=16
).map(lambda parts: [step for part in parts for step in part])
"""Complete runs: a worker that claims mostly completes its claims, and delivers effects."""
