"""The pure core alone: which triggers an event matches, its group, and its stream's progress."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.lap import timed
from benchmarks.rounds import interleave
from benchmarks.workload import TRIGGER, Workload
from winchester_core.plugins import CONDITIONS, PluginRegistry
from winchester_core.triggers.batch_plan import BatchPlan
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.index import TriggerIndex
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "matching"
TRIGGERS = 1_000
ONE, MANY, SAME_TYPE = "1 trigger", f"{TRIGGERS:,} triggers", f"{TRIGGERS:,} on the same events"

_DIVISIONS = ("compute", "network", "volume", "image", "identity", "orchestration", "dns", "metric")


def measure(options: Options) -> Iterator[Figure]:
    """Yield figures of matching alone, and with grouping and progress."""
    yield _figure(options, "pure core, matching", _matching, 500_000)
    yield _figure(options, "pure core, matching, grouping by day, progress", _grouping, 200_000)


def _figure(
    options: Options,
    name: str,
    work_of: Callable[[Sequence[TriggerDefinition]], Callable[[Sequence[Any]], int]],
    least: float,
) -> Figure:
    sets = {ONE: triggers(1), MANY: triggers(TRIGGERS), SAME_TYPE: triggers_of_same_type(TRIGGERS)}
    events = Workload(options.seed).take(options.events)
    laps = interleave(
        {each: _passing(work_of(_compiled(some)), events) for each, some in sets.items()},
        options.rounds,
    )
    goals = (Goal(ONE, at_least=least), Goal(MANY, ONE, at_least=0.5), Goal(SAME_TYPE, ONE))
    return Figure(NAME, name, None, "events/s", rates(laps), goals, cpu_us(laps))


def triggers(number: int) -> list[dict[str, Any]]:
    """Return the workload's trigger and others for other event types: prefixes, exact
    types and globs, as the services of a cloud use them.
    """
    others = [
        {**TRIGGER, "name": f"other_{n}", "match_criteria": [{"event_type": _other_type(n)}]}
        for n in range(number - 1)
    ]
    return [*others, TRIGGER]


def triggers_of_same_type(number: int) -> list[dict[str, Any]]:
    """Return triggers for the same events that differ in the region that they require."""
    match = {"event_type": "compute.instance.*"}
    others = [
        {
            **TRIGGER,
            "name": f"region_{n}",
            "match_criteria": [{**match, "traits": {"region": f"Region{n}"}}],
        }
        for n in range(number - 1)
    ]
    return [*others, TRIGGER]


def _other_type(number: int) -> str:
    division = _DIVISIONS[number % len(_DIVISIONS)]
    kind = ("{}.part{}.*", "{}.part{}.create.end", "{}.part{}.*.end")[number % 3]
    return kind.format(division, number)


def _compiled(configs: Sequence[dict[str, Any]]) -> list[TriggerDefinition]:
    conditions = PluginRegistry(CONDITIONS)
    return [TriggerDefinition.from_config(each, conditions) for each in configs]


def _passing(work: Callable[[Sequence[Any]], int], events: Sequence[Any]) -> Contestant:
    def lap(_round: int) -> Any:
        matched: list[int] = []
        timing = timed(len(events), lambda: matched.append(work(events)))
        assert matched == [len(events)], f"{matched} of {len(events)} events matched"
        return timing

    work(events)
    return lap


def _matching(definitions: Sequence[TriggerDefinition]) -> Callable[[Sequence[Any]], int]:
    index = TriggerIndex(definitions)

    def match(events: Sequence[Any]) -> int:
        matched = 0
        for event in events:
            for candidate in index.candidates_for(event):
                for criterion in candidate.criteria:
                    if criterion.matches_traits(event):
                        matched += 1
                        break
        return matched

    return match


def _grouping(definitions: Sequence[TriggerDefinition]) -> Callable[[Sequence[Any]], int]:
    matching = TriggerSet(definitions)

    def admit(events: Sequence[Any]) -> int:
        plan = BatchPlan({})
        now = datetime.now(UTC)
        matched = 0
        for place, event in enumerate(events):
            for match in matching.match(event):
                plan.add_event(place, event, now, match)
                matched += 1
        return matched

    return admit
