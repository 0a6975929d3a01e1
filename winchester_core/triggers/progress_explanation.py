"""Explanations of the progress of streams towards firing, criterion by criterion. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from winchester_core.triggers import counting
from winchester_core.triggers.details import parse_details
from winchester_core.triggers.explanation import (
    describe_criterion,
    evaluate_criterion,
    length_text,
)
from winchester_core.triggers.member_explanation import explain_members
from winchester_core.triggers.progress import StreamProgress
from winchester_core.triggers.window_explanation import describe_windows
from winchester_core.triggers.windows import value_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from winchester_core.criteria import Criterion
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.details import ProgressDetails
    from winchester_core.triggers.window_explanation import WindowProgress

EVENTS: Final = "events"
SUM_OF: Final = "sum of "
ONLY_EXPIRES: Final = "has no fire criteria: its streams only expire"
"""Description of a trigger without fire criteria, after its name."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A reason why `number` events of a stream do not count for a fire criterion.

    `message_id` is the id of the first. `type_matches` is true if their types match the
    criterion.
    """

    reason: str
    number: int
    message_id: str
    type_matches: bool


@dataclass(frozen=True, slots=True)
class CriterionProgress:
    """Progress of a stream for a fire criterion: the present number and the required one.

    Both are numbers of events, of different values or a sum, as `counts` says. `within` is the
    length of the interval in which the events must lie, as text. `mismatches` are the reasons why
    other events do not count, events of matching types first. `step` is the number of the criterion
    in a sequence, from 1. `window` is set if the times of the events matter. `has_ignored` is true
    if members of a matching type count for no criterion; they are not among the `mismatches`.
    `counted_ids` are the message ids of the events that count for it.
    """

    criterion: str
    has: float
    needs: float
    mismatches: tuple[Mismatch, ...]
    counts: str = EVENTS
    within: str | None = None
    step: int | None = None
    window: WindowProgress | None = None
    has_ignored: bool = False
    counted_ids: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    @property
    def is_met(self) -> bool:
        """Return whether the criterion has everything that it needs."""
        return self.has >= self.needs

    @property
    def label(self) -> str:
        """The numbers in words."""
        return progress_text(self.has, self.needs, self.counts, self.within)


def explain_progress(
    definition: TriggerDefinition,
    stream: StreamRecord,
    events: Sequence[Mapping[str, Any]],
    now: datetime | None = None,
) -> tuple[CriterionProgress, ...]:
    """Return the progress of `stream` by fire criterion. `events` are its stored events, by time.

    If the stored progress was counted by `definition`, it is used. Otherwise the events are
    counted again, as ingest or a worker will do. `now` is stream time: an event that no later event
    can complete counts no more. If it is None, the progress is that after the last event.
    """
    is_current = stream.fingerprint == definition.fingerprint
    details = _details_of(definition, stream, events, is_current=is_current)
    counted = explain_members(definition, stream, events).counted
    counted_ids = {event["message_id"] for event in counted}
    ignored_types = {each["event_type"] for each in events if each["message_id"] not in counted_ids}
    windows: Sequence[WindowProgress | None] = (None,) * len(definition.fire_criteria)
    if details is not None:
        windows = describe_windows(definition, details, now)
    is_decided = is_current and stream.fire_timestamp is not None and stream.decision is None
    found = []
    for index, criterion in enumerate(definition.fire_criteria):
        window = windows[index]
        needs = required_number(criterion)
        has: float | None = None
        if is_decided:
            has = needs
        elif window is not None:
            has = window.has
        elif details is not None:
            has = _total(details, index)
        elif is_current:
            has = stream.progress[index]
        step = index + 1 if definition.in_sequence else None
        rule = _WindowRule.of(criterion, None if is_decided else window, counted, step)
        progress = _explain_fire_criterion(criterion, counted, has, rule)
        has_ignored = any(map(criterion.event_types.matches, ignored_types))
        found.append(replace(progress, step=step, window=window, has_ignored=has_ignored))
    return tuple(found)


def stored_progress(definition: TriggerDefinition, stream: StreamRecord) -> Sequence[float]:
    """Return the stored progress of a stream by fire criterion; its fingerprint is current."""
    found = explain_progress(definition, stream, ())
    return [each.has for each in found]


def progress_of(stream: StreamRecord) -> StreamProgress:
    """Return the progress of a stored stream."""
    details = parse_details(stream.progress_text)
    return StreamProgress(
        first_event=stream.first_event,
        last_event=stream.last_event,
        expire_timestamp=stream.expire_timestamp,
        fire_timestamp=stream.fire_timestamp,
        event_count=stream.event_count,
        counts=[] if details else [int(each) for each in stream.progress],
        fingerprint=stream.fingerprint,
        details=details,
    )


def describe_missing(position: int, progress: CriterionProgress) -> str:
    """Return what the fire criterion at `position` (from 1) lacks, and why similar events fail."""
    name = f"fire criterion {position}" if progress.step is None else f"step {progress.step}"
    article = "a " if progress.counts.startswith(SUM_OF) else ""
    counted = f"{name} has {article}{progress.label} ({progress.criterion})"
    if progress.window is not None and progress.window.has and progress.window.next_out:
        end = progress.window.next_out.isoformat()
        counted += f"; the oldest of them counts only with events until {end}"
    mismatches = "; ".join(
        f"{_matching_type_events(each.number)} not count: {each.reason}"
        for each in progress.mismatches
        if each.type_matches
    )
    other = "other " if progress.has else ""
    counting_only = "that counts " if progress.has_ignored else ""
    return f"{counted}; " + (mismatches or f"no {other}event {counting_only}has a matching type")


def describe_sequence(progress: Sequence[CriterionProgress]) -> str:
    """Return which step of a sequence is reached, and until when it counts."""
    reached = sum(each.is_met for each in progress)
    if not reached:
        return f"no step of the sequence of {len(progress)} is reached"
    text = f"step {reached} of {len(progress)} is reached"
    window = progress[reached - 1].window
    if window is not None and window.met_until is not None and reached < len(progress):
        end = window.met_until.isoformat()
        text += f"; with the events so far, the last step must be reached by {end} (fire_within)"
    return text


# Numbers of a criterion in words.


def required_number(criterion: Criterion) -> float:
    """Return the number of events or different values, or the sum, that a criterion needs."""
    required = criterion.requirement.sum
    if required is None:
        return criterion.number
    return _number(required.at_least)


def counted_quantity(criterion: Criterion) -> str:
    """Return what a criterion counts: events, different values of a trait, or a sum."""
    requirement = criterion.requirement
    if requirement.sum is not None:
        return f"{SUM_OF}{requirement.sum.trait}"
    if requirement.distinct is not None:
        return f"different values of {requirement.distinct}"
    return EVENTS


def describe_fire_criterion(criterion: Criterion) -> str:
    """Return a fire criterion in words, with what it needs."""
    event, requirement = describe_criterion(criterion), criterion.requirement
    if requirement.sum is not None:
        return f"a sum of {requirement.sum.trait} of at least {requirement.sum.at_least}: {event}"
    within = window_text(criterion)
    interval = "" if within is None else f" within {within}"
    if requirement.distinct is not None:
        return f"{criterion.number} different values of {requirement.distinct}{interval}: {event}"
    if criterion.number == 1:
        return event
    return f"{criterion.number} events{interval}: {event}"


def window_text(criterion: Criterion) -> str | None:
    """Return the length of the interval in which the events of a criterion must lie."""
    within = criterion.requirement.within
    return None if within is None else length_text(within)


def progress_text(has: object, needs: object, counts: str, within: str | None) -> str:
    """Return a progress in words, such as `3 of 5 within 10m`."""
    if counts.startswith(SUM_OF):
        return f"{counts} of {has}, needs {needs}"
    what = "" if counts == EVENTS else f" {counts}"
    return f"{has} of {needs}{what}{f' within {within}' if within else ''}"


def _matching_type_events(number: int) -> str:
    if number == 1:
        return "1 event of a matching type does"
    return f"{number} events of a matching type do"


def _details_of(
    definition: TriggerDefinition,
    stream: StreamRecord,
    events: Sequence[Mapping[str, Any]],
    *,
    is_current: bool,
) -> ProgressDetails | None:
    if is_current:
        return parse_details(stream.progress_text)
    if definition.is_plain:
        return None
    recounted = progress_of(stream)
    counting.recount(definition, recounted, events, stream.last_event)
    return recounted.details


def _total(details: ProgressDetails, index: int) -> float:
    total = details.totals[index]
    return 0 if total is None else _number(total)


def _number(value: int | Decimal) -> float:
    """Return an int if the value is whole, else a float."""
    return int(value) if value == int(value) else float(value)


@dataclass(frozen=True, slots=True)
class _WindowRule:
    """The reason why an event that satisfies a criterion is not in its window."""

    times: frozenset[datetime]
    begin: datetime | None
    values: frozenset[str]
    step: int | None

    @classmethod
    def of(
        cls,
        criterion: Criterion,
        window: WindowProgress | None,
        events: Iterable[Mapping[str, Any]],
        step: int | None,
    ) -> _WindowRule | None:
        """Return the rule; None if there is no window, or the criterion is met."""
        if window is None or window.counted_times is None:
            return None
        times, trait = window.counted_times, criterion.requirement.distinct
        values = frozenset(
            value_digest(event[trait])
            for event in events
            if trait is not None
            and event["timestamp"] in times
            and event.get(trait) is not None
            and criterion.matches(event)
        )
        return cls(times, window.begin, values, step)

    def reason(self, criterion: Criterion, event: Mapping[str, Any]) -> str | None:
        """Return the reason, or None if the event is in the window."""
        if event["timestamp"] in self.times:
            return None
        if self.begin is not None and event["timestamp"] < self.begin:
            return "it is too old for the time window"
        trait = criterion.requirement.distinct
        if trait is not None and value_digest(event[trait]) in self.values:
            return f"another event with the same {trait} counts instead"
        if self.step is not None and self.step > 1:
            return f"it does not come after events that reach step {self.step - 1} in time"
        return "other events count instead"


def _explain_fire_criterion(
    criterion: Criterion,
    events: Iterable[Mapping[str, Any]],
    stored: float | None,
    rule: _WindowRule | None,
) -> CriterionProgress:
    """Return the progress. If there is a `rule`, only the events in its window count."""
    counted = []
    mismatches: dict[str, Mismatch] = {}
    for event in events:
        is_met, reason = _evaluate(criterion, event, rule)
        if is_met:
            counted.append(event["message_id"])
        else:
            known = mismatches.get(reason)
            mismatches[reason] = (
                replace(known, number=known.number + 1)
                if known
                else _first_mismatch(criterion, reason, event)
            )
    return CriterionProgress(
        criterion=describe_criterion(criterion),
        has=min(len(counted), criterion.number) if stored is None else stored,
        needs=required_number(criterion),
        mismatches=tuple(
            sorted(mismatches.values(), key=lambda each: (not each.type_matches, -each.number))
        ),
        counts=counted_quantity(criterion),
        within=window_text(criterion),
        counted_ids=frozenset(counted),
    )


def _evaluate(
    criterion: Criterion, event: Mapping[str, Any], rule: _WindowRule | None
) -> tuple[bool, str]:
    is_met, reason = evaluate_criterion(criterion, event)
    if not is_met:
        return is_met, reason
    requirement = criterion.requirement
    if requirement.distinct is not None and event.get(requirement.distinct) is None:
        return False, f"it has no {requirement.distinct}, whose values are counted"
    if requirement.sum is not None and not counting.summand(event.get(requirement.sum.trait)):
        return False, f"its {requirement.sum.trait} is not a number above 0, so it adds nothing"
    outside = None if rule is None else rule.reason(criterion, event)
    return outside is None, outside or reason


def _first_mismatch(criterion: Criterion, reason: str, event: Mapping[str, Any]) -> Mismatch:
    type_matches = criterion.event_types.matches(event["event_type"])
    return Mismatch(reason, 1, event["message_id"], type_matches)
