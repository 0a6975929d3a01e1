"""Events of a schedule and their ids."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from winchester_core.model import clean_event, read_event
from winchester_core.sources.schedule.events import ScheduledEvents

SIX = datetime(2026, 3, 2, 6, tzinfo=UTC)
SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)


def events(
    name: str = "backup",
    event_type: str = "backup.expected",
    traits: dict[str, Any] | None = None,
    items: list[dict[str, Any]] | None = None,
    moment: datetime = SIX,
) -> list[dict[str, Any]]:
    return list(ScheduledEvents(name, event_type, traits or {}, items).at(moment))


def ids(**arguments: Any) -> list[str]:
    return [event["message_id"] for event in events(**arguments)]


def test_an_event_has_the_scheduled_time_and_the_traits_of_its_item() -> None:
    found = events(
        traits={"team": "ops", "port": 1}, items=[{"host": "a"}, {"host": "b", "port": 2}]
    )
    for event in found:
        del event["message_id"]
    common = {"event_type": "backup.expected", "timestamp": "2026-03-02T06:00:00+00:00"}
    assert found == [
        {**common, "team": "ops", "port": 1, "host": "a"},
        {**common, "team": "ops", "port": 2, "host": "b"},
    ]


def test_a_datetime_trait_is_restored() -> None:
    (body,) = events(traits={"since": SEVEN, "@datetime_traits": "x"})
    event, drops = read_event(body)
    assert not drops
    clean = clean_event(event).event
    assert (clean["since"], clean["@datetime_traits"]) == (SEVEN, "x")
    assert clean["timestamp"] == SIX


def test_the_ids_never_change() -> None:
    # the processes of different versions run the same schedules
    assert ids() == ["cb08fc57-ea1d-5c37-906f-353ac51d380c"]
    assert ids(items=[{"host": "a", "port": 1}]) == ["c40ddf0a-bb6d-5fca-906a-f299d64c0452"]


def test_an_id_depends_on_name_item_and_time() -> None:
    items: list[dict[str, Any]] = [{"host": each} for each in ("a", 1, 1.0, "1", True, SIX)]
    found = [
        *ids(),
        *ids(name="other"),
        *ids(moment=SEVEN),
        *ids(items=items),
        *ids(items=items, name="other"),
        *ids(items=items, moment=SEVEN),
        *ids(items=[{"port": "a"}, {"host": "a", "port": 1}]),
    ]
    assert len(set(found)) == len(found)


def test_an_id_does_not_depend_on_type_constants_or_the_order_of_items_and_traits() -> None:
    assert ids(event_type="t", traits={"team": "ops"}) == ids()
    one, other = {"host": "a", "port": 1}, {"host": "b", "port": 2}
    reordered = [{"port": 2, "host": "b"}, {"port": 1, "host": "a"}]
    assert ids(items=[one, other]) == ids(items=reordered)[::-1]


def test_a_hundred_thousand_items_are_produced_one_by_one() -> None:
    items = [{"host": f"host-{number}"} for number in range(100_000)]
    produced = ScheduledEvents("n", "t", {}, items).at(SIX)
    first = next(produced)
    assert first["host"] == "host-0"
    rest = list(produced)
    assert len({event["message_id"] for event in rest}) == 99_999
    assert all(one["host"] != other["host"] for one, other in pairwise(rest))
