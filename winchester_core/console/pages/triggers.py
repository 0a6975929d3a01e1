"""List of triggers: their streams, their activity of a day, and how many events they match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from winchester_core.console.charts import sparkline
from winchester_core.console.pages.page import query_of, render, site_of
from winchester_core.console.shown_values import count_of
from winchester_core.console.site_condition import streams_path
from winchester_core.inspection.triggers import options_of
from winchester_core.inspection.values import to_json_value
from winchester_core.model.stream import StreamState
from winchester_core.service.exit import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.activity import Activity
    from winchester_core.console.site import Site
    from winchester_core.storage.records import DebugRecord
    from winchester_core.triggers.definition import TriggerDefinition

TRIGGERS_PER_PAGE: Final = 100
MAX_NOT_CONFIGURED: Final = 100
MAX_TRAITS: Final = 8
"""Number of distinguishing traits in a row."""

MAX_TABLE_BYTES: Final = 400 * 1024
"""Size of each of the two tables. The whole page has at most 1 MiB."""

ROW_BYTES: Final = 2 * 1024
"""Size of a row without links, about: long texts are cut."""

LINK_BYTES: Final = 200
PERIOD: Final = "1d"


@dataclass(frozen=True, slots=True)
class StateCount:
    """Number of streams in a state, and the path of their list."""

    state: StreamState
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A trigger in the list. `matching` is a note on its events, `is_suspect` if none matched."""

    name: str
    distinguished_by: Sequence[str]
    states: Sequence[StateCount]
    rate: Markup
    totals: Mapping[str, int]
    matching: str
    is_suspect: bool


def triggers_page(request: Request) -> Response:
    """Return the list of triggers. Raises `UsageError` for a wrong page number."""
    site, query = site_of(request), query_of(request)
    condition = site.condition.get()
    streams = condition.statistics.streams
    activity = site.activity[PERIOD].get()
    searched = query.one("q") or ""
    names = [name for name in site.definitions if searched.lower() in name.lower()]
    start = _start(query.one("from") or "0")
    shown = names_that_fit(names[start : start + TRIGGERS_PER_PAGE], streams)
    never_matched = frozenset(condition.never_matched())
    totals = activity.trigger_totals()

    def address(position: int) -> str:
        pairs = [("q", searched)] if searched else []
        return f"?{urlencode([*pairs, ('from', position)])}"

    end = start + len(shown)
    others = {
        name: states for name, states in sorted(streams.items()) if name not in site.definitions
    }
    others_shown = names_that_fit(list(others)[:MAX_NOT_CONFIGURED], others)
    return render(
        request,
        "triggers.html",
        "triggers",
        rows=[
            _row(site, name, streams, activity, totals, condition.debug, name in never_matched)
            for name in shown
        ],
        searched=searched,
        configured=len(site.definitions),
        summary=f"{len(shown):,} of {count_of(len(names), 'trigger')}",
        previous=address(max(start - TRIGGERS_PER_PAGE, 0)) if start else None,
        next=address(end) if end < len(names) else None,
        others=[(name, state_counts(name, others[name])) for name in others_shown],
        others_not_shown=len(others) - len(others_shown),
        age_seconds=site.condition.age_seconds,
        counted_up_to=condition.statistics.counted_up_to,
    )


def names_that_fit(
    names: Sequence[str], streams: Mapping[str, Mapping[StreamState, int]]
) -> Sequence[str]:
    """Return the first names, at least one, whose rows have at most `MAX_TABLE_BYTES` in total.

    Each state of a trigger has a link, which repeats the name.
    """
    size = 0
    for number, name in enumerate(names):
        links = 3 + len(streams.get(name, {}))
        size += ROW_BYTES + links * (LINK_BYTES + len(quote(name)))
        if size > MAX_TABLE_BYTES and number:
            return names[:number]
    return names


def state_counts(name: str, states: Mapping[StreamState, int]) -> list[StateCount]:
    """Return the numbers of a trigger's streams, in the order of the states."""
    return [
        StateCount(state, states[state], streams_path(name=name, states=(state,)))
        for state in StreamState
        if states.get(state)
    ]


def option_texts(config: Mapping[str, Any]) -> list[str]:
    """Return the options of a trigger that differ from their defaults, as in its file."""
    options = options_of(to_json_value(config))
    return [f"{key.replace('_', ' ')} {value}" for key, value in options.items()]


def grouping_texts(config: Mapping[str, Any]) -> list[str]:
    """Return the distinguishing traits of a trigger, as in its file."""
    texts: list[str] = []
    for part in config["distinguished_by"]:
        if isinstance(part, str):
            texts.append(part)
        else:
            texts += [f"{name}: {expression}" for name, expression in part.items()]
    return texts


def _row(
    site: Site,
    name: str,
    streams: Mapping[str, Mapping[StreamState, int]],
    activity: Activity,
    totals: Mapping[str, Mapping[str, int]],
    debug: Mapping[str, DebugRecord],
    is_suspect: bool,
) -> TriggerRow:
    config = site.trigger_configs[name]
    values = activity.values("streams_opened", name)
    return TriggerRow(
        name=name,
        distinguished_by=_first(grouping_texts(config), MAX_TRAITS),
        states=state_counts(name, streams.get(name, {})),
        rate=sparkline(values or [0], "streams opened in the last day"),
        totals=totals.get(name, {}),
        matching=_matching_text(site.definitions[name], debug.get(name)),
        is_suspect=is_suspect,
    )


def _first(texts: Sequence[str], number: int) -> Sequence[str]:
    """Return the first texts; the last one says how many are left out."""
    left = len(texts) - number
    return texts if left <= 0 else [*texts[:number], f"and {left} more"]


def _matching_text(definition: TriggerDefinition, debug: DebugRecord | None) -> str:
    """Return how many events the trigger has matched; empty if it does not count them."""
    if debug is None or not definition.debug_level:
        return ""
    total = debug.matched + debug.mismatched
    return f"{debug.matched:,} of {count_of(total, 'event')}"


def _start(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise UsageError(f"from {text[:40]!r} is not a number of triggers to skip")
    return int(text)
