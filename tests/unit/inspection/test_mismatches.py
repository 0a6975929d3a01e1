"""The newest events of a trigger's types are evaluated against it, within bounds."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.inspection.mismatches import (
    MAX_EVENTS,
    MAX_PATTERNS,
    MAX_SEARCHED_ROWS,
    _store_pattern,
    evaluate_newest,
)
from winchester_core.storage.list_pages import ListPage
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.storage.filters import EventFilter


class Events:
    """A store with these events, the oldest first; `searched` are the bounds of its searches."""

    def __init__(self, *events: Mapping[str, Any], is_cut: bool = False) -> None:
        self._events = events
        self._is_cut = is_cut
        self.searched: list[tuple[str | None, int]] = []

    def page_of_events(
        self, filters: EventFilter, *, limit: int, order: object, max_rows: int
    ) -> ListPage[Any]:
        assert order == "newest"
        assert filters.event_type is not None
        self.searched.append((filters.event_type, max_rows))
        found = [
            (key, event)
            for key, event in reversed(list(enumerate(self._events)))
            if fnmatchcase(event["event_type"], filters.event_type)
        ][:limit]
        keys = [(key,) for key, _ in found]
        return ListPage([event for _, event in found], keys, (0,) if self._is_cut else None)


def definition(*event_types: Any, **traits: Any) -> TriggerDefinition:
    criteria = [{"event_type": each, "traits": traits} for each in event_types]
    config = {
        "name": "t",
        "distinguished_by": ["host"],
        "expiration": "$last + 1h",
        "match_criteria": criteria,
        "fire_criteria": [{"event_type": "*"}],
        "fire_pipeline": "p",
    }
    return TriggerDefinition.from_config(config, {})


def event(event_type: str, **traits: Any) -> dict[str, Any]:
    return {"event_type": event_type, "message_id": "m", **traits}


def evaluate(store: Events, trigger: TriggerDefinition) -> Any:
    return evaluate_newest(store, trigger)  # type: ignore[arg-type] - has all that it uses


def test_reasons_are_counted_the_most_frequent_first() -> None:
    store = Events(
        event("a", size=1, host="x"), event("a", size=2), event("a", size=3), event("a", size=1)
    )
    result = evaluate(store, definition("a", size=1))
    assert (result.matched, result.mismatched) == (1, 3)
    assert list(result.reasons.values()) == [2, 1]
    assert "host" in list(result.reasons)[1]
    assert result.newest["size"] == 1
    assert result.oldest["host"] == "x"
    assert not result.partial


def test_events_of_several_patterns_are_counted_once() -> None:
    store = Events(event("ab", host="x"), event("b", host="x"), event("c", host="x"))
    result = evaluate(store, definition("a*", "*b", ["?", "!c"]))
    assert (result.matched, result.mismatched) == (2, 0)


def test_only_the_newest_events_are_evaluated() -> None:
    events = [event("a", number=number, host="x") for number in range(MAX_EVENTS + 50)]
    result = evaluate(Events(*events), definition("a"))
    assert result.matched == MAX_EVENTS
    assert result.newest["number"] == MAX_EVENTS + 49
    assert result.oldest["number"] == 50


def test_searches_together_are_bounded() -> None:
    store = Events(event("type-0", host="x"))
    result = evaluate(store, definition([f"type-{number}" for number in range(25)]))
    assert len(store.searched) == MAX_PATTERNS
    assert sum(rows for _, rows in store.searched) <= MAX_SEARCHED_ROWS
    assert result.partial


def test_a_search_that_ends_at_its_bound_is_partial() -> None:
    result = evaluate(Events(is_cut=True), definition("a"))
    assert result.partial
    assert result.newest is None
    assert result.reasons == {}


PIECES = st.lists(st.sampled_from(["a", "b", "*", "?", "[", "]", "!", "-", "[ab]", "[!a]", "[]]"]))


@given(pattern=PIECES.map("".join).filter(bool), event_type=st.text("ab[]!-", max_size=8))
def test_patterns_of_the_store_match_at_least_the_same_types(pattern: str, event_type: str) -> None:
    wider = _store_pattern(pattern)
    if fnmatchcase(event_type, pattern):
        assert fnmatchcase(event_type, wider.replace("[", "[[]"))
