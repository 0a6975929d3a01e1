"""Condition of a site: its processes, and its problems in the order of importance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from winchester_core.console.paths import Link, trigger_path
from winchester_core.console.shown_values import count_of
from winchester_core.inspection.processes import process_state
from winchester_core.inspection.values import duration_text
from winchester_core.model.process import Difference, ProcessKind, lasting_differences
from winchester_core.model.stream import ERROR_STATES, WAITING_STATES, StreamState
from winchester_core.storage.filters import RejectedFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from winchester_core.clock import ClockKind
    from winchester_core.model.process import ProcessRecord
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import DebugRecord
    from winchester_core.triggers.definition import TriggerDefinition

LONG_WAIT: Final = timedelta(minutes=1)
"""Time after which a waiting ready stream or effect is a problem."""

LAG: Final = timedelta(hours=1)
"""Lag of stream time behind real time that is a problem."""

RECENT: Final = timedelta(days=1)
MAX_COUNTED: Final = 10_000
MAX_LINKS: Final = 4
"""Maximum number of links to single objects in a problem."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Problem of a site: its state (`error` or `warning`), and the page that explains it.

    `section` and `number` are the section of the console it belongs to and the number of objects;
    `details` lead to the objects themselves.
    """

    state: str
    text: str
    path: str
    section: str
    number: int = 1
    details: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteCondition:
    """Condition of a site at the time `now` (real time); `stream_time` is None if unknown.

    `debug` are the debug counts by trigger, `recently_rejected` the messages rejected within
    `RECENT` and not retried or discarded, counted up to `MAX_COUNTED`.
    """

    now: datetime
    stream_time: datetime | None
    clock: ClockKind
    statistics: StoreStatistics
    processes: Sequence[ProcessRecord]
    debug: Mapping[str, DebugRecord]
    recently_rejected: int
    definitions: Mapping[str, TriggerDefinition]

    @property
    def differences(self) -> list[Difference]:
        """Lasting differences between the processes."""
        return lasting_differences(self.processes, self.now)

    @property
    def has_worker(self) -> bool:
        """Return whether a worker runs."""
        return any(
            each.kind is ProcessKind.WORKER and not each.is_gone(self.now)
            for each in self.processes
        )

    @property
    def stream_lag(self) -> timedelta | None:
        """Lag of stream time behind real time; None if it is unknown."""
        return None if self.stream_time is None else self.now - self.stream_time

    def never_matched(self) -> list[str]:
        """Return the triggers with a debug level that have matched none of the events counted."""
        return [
            name
            for name, definition in self.definitions.items()
            if definition.debug_level
            and (counted := self.debug.get(name)) is not None
            and counted.mismatched
            and not counted.matched
        ]

    def findings(self) -> tuple[Finding, ...]:
        """Return the problems, the most important first."""
        return (
            *_failed_streams(self.statistics),
            *_dead_letters(self.statistics),
            *_processes(self),
            *_unknown_triggers(self),
            *_waiting_streams(self),
            *_trials(self.statistics),
            *_waiting_effects(self.statistics),
            *_never_matched(self),
            *_stream_time(self),
            *_rejected(self.recently_rejected),
        )


def read_condition(
    store: Store,
    clock: ClockKind,
    statistics: StoreStatistics,
    definitions: Mapping[str, TriggerDefinition],
    stream_time: datetime | None,
) -> SiteCondition:
    """Return the condition of a site."""
    now = store.real_time()
    rejected = store.count_rejected(RejectedFilter(younger_than=now - RECENT), up_to=MAX_COUNTED)
    return SiteCondition(
        now=now,
        stream_time=stream_time,
        clock=clock,
        statistics=statistics,
        processes=store.find_processes(),
        debug=store.debug_counts(),
        recently_rejected=rejected,
        definitions=definitions,
    )


def streams_path(*, name: str = "", states: Sequence[StreamState] = (), **others: str) -> str:
    """Return the path of the list of streams with these filters."""
    pairs = [("trigger", name)] if name else []
    pairs += [("state", each.value) for each in states]
    return f"/streams?{urlencode([*pairs, *others.items()])}"


def failed_by_trigger(statistics: StoreStatistics) -> dict[str, int]:
    """Return the numbers of streams in error by trigger, the largest first."""
    numbers = {
        name: sum(states.get(state, 0) for state in ERROR_STATES)
        for name, states in statistics.streams.items()
    }
    return {
        name: number
        for name, number in sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
        if number
    }


def _failed_streams(statistics: StoreStatistics) -> Iterator[Finding]:
    numbers = failed_by_trigger(statistics)
    if total := sum(numbers.values()):
        details = [
            Link(streams_path(name=name, states=ERROR_STATES), f"{name} {number:,}")
            for name, number in numbers.items()
        ]
        yield Finding(
            "error",
            f"{count_of(total, 'stream')} in error",
            streams_path(states=ERROR_STATES),
            "streams",
            total,
            tuple(details[:MAX_LINKS]),
        )


def _dead_letters(statistics: StoreStatistics) -> Iterator[Finding]:
    dead = {key: each.dead for key, each in statistics.effects.items() if each.dead}
    if dead:
        details = [
            Link(
                outbox_path("dead", endpoint.pipeline, endpoint.handler),
                f"{endpoint.handler} of {endpoint.pipeline} {number:,}",
            )
            for endpoint, number in sorted(dead.items(), key=lambda each: (-each[1], str(each[0])))
        ]
        total = sum(dead.values())
        yield Finding(
            "error",
            count_of(total, "dead letter"),
            "/outbox?state=dead",
            "outbox",
            total,
            tuple(details[:MAX_LINKS]),
        )


def outbox_path(state: str, pipeline: str, handler: str, **others: str) -> str:
    """Return the path of the effects of an endpoint."""
    pairs = {"state": state, "pipeline": pipeline, "handler": handler, **others}
    return f"/outbox?{urlencode(pairs)}"


PROCESSES_PATH: Final = "/site#processes"


def _processes(condition: SiteCondition) -> Iterator[Finding]:
    now = condition.now
    states = {each.id: process_state(each, now) for each in condition.processes}
    overdue = [each for each in condition.processes if states[each.id] == "overdue"]
    gone = [each for each in condition.processes if states[each.id] == "gone"]
    if len(overdue) == 1:
        parts = ", ".join(overdue[0].overdue)
        yield _process_finding("error", f"{_named(overdue[0])}: {parts} overdue", 1)
    elif overdue:
        text = f"{len(overdue):,} processes have overdue components"
        yield _process_finding("error", text, len(overdue))
    if len(gone) == 1:
        age = duration_text(now - gone[0].seen_at)
        yield _process_finding("warning", f"{_named(gone[0])} gone for {age}", 1)
    elif gone:
        text = f"{len(gone):,} processes are gone"
        yield _process_finding("warning", text, len(gone))
    if differences := condition.differences:
        nouns = [_DIFFERENCE_NOUNS[each] for each in differences]
        yield _process_finding("warning", f"processes have different {', '.join(nouns)}", 1)


_DIFFERENCE_NOUNS: Final = {
    Difference.VERSION: "versions",
    Difference.TRIGGERS: "triggers",
    Difference.PIPELINES: "pipelines",
}


def _process_finding(state: str, text: str, number: int) -> Finding:
    return Finding(state, text, PROCESSES_PATH, "site", number)


def _named(process: ProcessRecord) -> str:
    name = process.name if process.name != process.kind.value else f"on {process.host}"
    return f"{process.kind.value} {name}"


def _unknown_triggers(condition: SiteCondition) -> Iterator[Finding]:
    numbers = {
        name: sum(number for state, number in states.items() if state != StreamState.COMPLETED)
        for name, states in condition.statistics.streams.items()
        if name not in condition.definitions
    }
    if total := sum(numbers.values()):
        text = f"{count_of(total, 'stream')} of triggers that are not configured"
        yield Finding("warning", text, "/triggers#not-configured", "triggers", 0)


def _waiting_streams(condition: SiteCondition) -> Iterator[Finding]:
    seconds = max(condition.statistics.oldest_ready_seconds.values(), default=0.0)
    wait = timedelta(seconds=seconds)
    if wait <= LONG_WAIT:
        return
    text = f"the oldest ready stream has waited {duration_text(wait)}"
    if not condition.has_worker:
        yield Finding("error", f"{text}, and no worker is running", PROCESSES_PATH, "site", 0)
    else:
        path = streams_path(states=WAITING_STATES, order="oldest")
        yield Finding("warning", text, path, "streams", 0)


def _trials(statistics: StoreStatistics) -> Iterator[Finding]:
    if number := statistics.trials:
        text = f"{count_of(number, 'stream')} may have killed a worker"
        yield Finding("warning", text, streams_path(trial="true"), "streams", 0)


def _waiting_effects(statistics: StoreStatistics) -> Iterator[Finding]:
    backlogs = statistics.effects.items()
    endpoint, backlog = max(backlogs, key=lambda each: each[1].oldest_seconds, default=(None, None))
    if endpoint is None or backlog is None:
        return
    wait = timedelta(seconds=backlog.oldest_seconds)
    if wait > LONG_WAIT:
        yield Finding(
            "warning",
            f"the oldest undelivered effect has waited {duration_text(wait)} "
            f"({endpoint.handler} of {endpoint.pipeline})",
            outbox_path("pending", endpoint.pipeline, endpoint.handler, order="oldest"),
            "outbox",
            0,
        )


def _never_matched(condition: SiteCondition) -> Iterator[Finding]:
    names = condition.never_matched()
    if len(names) == 1:
        text = f"trigger {names[0]} has matched no event"
        yield Finding("warning", text, trigger_path(names[0]) + "#matching", "triggers", 1)
    elif names:
        text = f"{count_of(len(names), 'trigger')} have matched no event"
        details = tuple(Link(trigger_path(each) + "#matching", each) for each in names[:MAX_LINKS])
        yield Finding("warning", text, "/triggers", "triggers", len(names), details)


def _stream_time(condition: SiteCondition) -> Iterator[Finding]:
    path = "/site#stream-time"
    if condition.clock == "system":
        return
    lag = condition.stream_lag
    if lag is None:
        if condition.clock == "time_sync" or condition.statistics.streams:
            yield Finding("warning", "stream time is unknown", path, "site", 0)
    elif lag > LAG:
        text = f"stream time is {duration_text(lag)} behind real time"
        yield Finding("warning", text, path, "site", 0)


def _rejected(number: int) -> Iterator[Finding]:
    if number:
        more = "+" if number == MAX_COUNTED else ""
        noun = "message" if number == 1 else "messages"
        text = f"{number:,}{more} {noun} rejected in the last day"
        yield Finding("warning", text, "/rejected?younger_than=1d", "rejected", number)
