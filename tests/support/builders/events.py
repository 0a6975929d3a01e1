"""Short ways to make events, triggers and matched events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from winchester_core.clock import FixedTime
from winchester_core.model.stream import Reason
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import MatchedEvent
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import Claim, IngestResult

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return `seconds` after noon of the day of most tests."""
    return NOON + timedelta(seconds=seconds)


FAR = at(1_000_000)
"""A stream time at which everything is due."""

LEASE = timedelta(minutes=5)


def make_event(
    message_id: str, event_type: str = "vm.update", seconds: float = 0, **traits: Any
) -> Event:
    """Return an event of the instance "a", `seconds` after noon."""
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": at(seconds),
        "instance": "a",
        **traits,
    }


def make_trigger(
    name: str = "vm",
    *,
    by: Sequence[str | Mapping[str, str]] = ("instance",),
    match: str | Sequence[str] = "vm.*",
    fire: Sequence[Mapping[str, Any]] = ({"event_type": "vm.end"},),
    expiration: str = "$last + 1h",
    fire_delay: float = 0,
) -> TriggerDefinition:
    """Return a trigger that groups by instance, fires on `vm.end`, and expires after an hour."""
    return TriggerDefinition.from_config(
        {
            "name": name,
            "distinguished_by": list(by),
            "match_criteria": [{"event_type": match}],
            "fire_criteria": [dict(criterion) for criterion in fire],
            "expiration": expiration,
            "fire_delay": fire_delay,
            "fire_pipeline": "fire",
            "expire_pipeline": "expire",
        },
        {},
    )


VM = make_trigger()
"""The trigger of most tests."""


def matched_events(
    triggers: Iterable[TriggerDefinition], events: Iterable[Event]
) -> list[MatchedEvent]:
    """Return the events, each with its streams under `triggers`."""
    matching = TriggerSet(triggers)
    return [MatchedEvent(each, tuple(matching.match(each)), each["timestamp"]) for each in events]


def ingest(
    store: Store, trigger: TriggerDefinition, *events: Event, now: datetime = NOON
) -> IngestResult:
    """Ingest `events` in one batch that arrives at the stream time `now`."""
    return store.record(matched_events([trigger], events), FixedTime(now))


def only_stream(store: Store, **traits: Any) -> StreamRecord:
    """Return the only stream with these distinguishing values."""
    (stream,) = store.find_streams(StreamFilter(traits=traits))
    return stream


def ready_to_fire(store: Store, *instances: str, now: datetime | None = None) -> None:
    """Open a stream of `VM` for each instance; they fire a second apart, or all at `now`."""
    for i, instance in enumerate(instances):
        end = make_event(f"{instance}/1", "vm.end", instance=instance)
        ingest(store, VM, end, now=now or at(i))


def claim_all(
    store: Store,
    reason: Reason = Reason.FIRE,
    now: datetime | None = FAR,
    limit: int = 100,
    worker: str = "w1",
    lease: timedelta = LEASE,
) -> list[Claim]:
    """Claim everything ready at the stream time `now` for `worker`."""
    return store.claim_ready(worker=worker, reason=reason, now=now, limit=limit, lease=lease)
