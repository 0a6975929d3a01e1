"""Warnings about triggers that may pass events to each other in a circle.

A handler of a trigger's pipeline may add an event that another trigger collects. If such steps lead
back to the first trigger, each round may start the next one, and the events never end. A step
exists if a pipeline of the trigger adds an event type for which a match criterion of the other
trigger opens streams. An event that only joins or cancels a stream starts no round, because each
round would need another event that opens the stream. Traits are not examined, because their values
are not known beforehand, so a circle is only possible, not certain.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.config.triggers import ALL_PIPELINE_KEYS
from winchester_core.model.event_types import EventTypePatterns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.config.document import Document
    from winchester_core.config.errors import ProblemReport
    from winchester_core.config.settings import HandlerEntry


class Step(NamedTuple):
    """A pipeline of `source` adds events of this type, which may open streams of `target`."""

    source: str
    event_type: str
    target: str


def warn_trigger_circles(
    document: Document,
    triggers: Sequence[Mapping[str, Any]],
    pipelines: Mapping[str, Sequence[HandlerEntry]],
    report: ProblemReport,
) -> None:
    """Warn of possible circles among `triggers`, the valid entries of `document`.

    Each trigger that is part of a circle is in at least one warning. A warning names the steps of
    the shortest circle, at the line of its first trigger.
    """
    steps = _steps(triggers, pipelines)
    named: set[str] = set()
    for source in steps:
        circle = () if source in named else shortest_circle(source, steps)
        if circle:
            named |= {step.source for step in circle}
            _warn(document, circle, report)


def _steps(
    triggers: Sequence[Mapping[str, Any]], pipelines: Mapping[str, Sequence[HandlerEntry]]
) -> dict[str, list[Step]]:
    """Return the steps from each trigger, in the order of the triggers."""
    emitted = {
        trigger["name"]: types
        for trigger in triggers
        if (types := dict.fromkeys(_emitted_types(trigger, pipelines)))
    }
    all_types = {each for types in emitted.values() for each in types}
    targets = {each: list[str]() for each in all_types}
    for trigger in triggers if all_types else ():
        for event_type in _opening_types(trigger, all_types):
            targets[event_type].append(trigger["name"])
    return {
        source: [Step(source, each, target) for each in types for target in targets[each]]
        for source, types in emitted.items()
    }


def _emitted_types(
    trigger: Mapping[str, Any], pipelines: Mapping[str, Sequence[HandlerEntry]]
) -> Iterator[str]:
    for key in ALL_PIPELINE_KEYS:
        for entry in pipelines.get(trigger.get(key) or "", ()):
            yield from entry.emitted_event_types


def _opening_types(trigger: Mapping[str, Any], event_types: set[str]) -> set[str]:
    """Return those of `event_types` that may open streams of the trigger."""
    patterns = [
        EventTypePatterns(criterion.get("event_type", "*"))
        for criterion in trigger["match_criteria"]
        if criterion.get("opens", True)
    ]
    return {each for each in event_types if any(p.matches_uncached(each) for p in patterns)}


def shortest_circle(start: str, steps: Mapping[str, Sequence[Step]]) -> tuple[Step, ...]:
    """Return the steps of a shortest circle through the trigger `start`; empty if there is none."""
    reached_by: dict[str, Step] = {}
    queue = deque([start])
    while queue:
        for step in steps.get(queue.popleft(), ()):
            if step.target in reached_by:
                continue
            reached_by[step.target] = step
            if step.target == start:
                return _path(start, reached_by)
            queue.append(step.target)
    return ()


def _path(start: str, reached_by: Mapping[str, Step]) -> tuple[Step, ...]:
    """Return the steps that lead from `start` back to it."""
    path = [reached_by[start]]
    while path[-1].source != start:
        path.append(reached_by[path[-1].source])
    return tuple(reversed(path))


def _warn(document: Document, circle: Sequence[Step], report: ProblemReport) -> None:
    names = [each.get("name") if isinstance(each, dict) else None for each in document.value()]
    index = names.index(circle[0].source)
    parts = [
        f"{step.source!r} emits {step.event_type!r}, which may open streams of "
        f"{_describe(document, names, step)}"
        for step in circle
    ]
    message = (
        f"triggers may form a circle: {'; '.join(parts)}. Unless conditions on traits prevent it, "
        "exclude the event type in match_criteria"
    )
    report.warn(document, (index, "name"), message)


def _describe(document: Document, names: Sequence[Any], step: Step) -> str:
    if step.target == step.source:
        return "the same trigger"
    mark = document.mark((names.index(step.target), "name"))
    return f"{step.target!r}" + (f" (line {mark.line})" if mark else "")
