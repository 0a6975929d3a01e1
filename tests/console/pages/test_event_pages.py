"""Pages of events: search, one event with its triggers, and the events of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from support.builders.events import NOON, VM, at, ingest, make_event, only_stream
from winchester_core.console.paths import event_path
from winchester_core.model.json import flat_event

if TYPE_CHECKING:
    from support.probes.html_page import HtmlPage
    from support.scenes.page_console import PageConsole


def ids(page: HtmlPage) -> list[str]:
    """Return the ids of the listed events."""
    return [row[-1] for row in page.rows[1:]]


@pytest.fixture
def events(console: PageConsole) -> PageConsole:
    """A console with three events."""
    ingest(
        console.store,
        VM,
        make_event("late", "vm.start", 60, host="a", cpus=4, load=0.5),
        make_event("early", "vm.update", -60, host="a", cpus=8),
        make_event("other", "disk.update", 0, host="b", cpus=4, full=True, at=at(5)),
    )
    console.store.set_event_clock(at(60))
    return console


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("event_type=vm.*", ["early", "late"]),
        ("event_type=disk.update", ["other"]),
        ("since=2024-05-17T12:00:00Z", ["other", "late"]),
        ("since=2m&until=30s", ["early", "other"]),
        ("trait=host%3Da&trait=cpus%3D4", ["late"]),
        ("trait=cpus%3D4&trait=&trait=", ["late", "other"]),
        ("trait=full%3Dtrue", ["other"]),
        ("trait=at%3D2024-05-17T12:00:05Z", ["other"]),
    ],
)
def test_search(events: PageConsole, query: str, found: list[str]) -> None:
    assert sorted(ids(events.get(f"/events?{query}"))) == sorted(found)


def test_order_by_timestamp(events: PageConsole) -> None:
    assert ids(events.get("/events?by=timestamp")) == ["late", "other", "early"]
    assert ids(events.get("/events?by=timestamp&order=oldest")) == ["early", "other", "late"]


def test_the_form_keeps_all_traits_and_has_one_more(events: PageConsole) -> None:
    page = events.get("/events?trait=host%3Da&trait=cpus%3D4&event_type=vm.*&by=timestamp")
    (form,) = [each for each in page.forms if each.values("trait")]
    assert form.values("trait") == ["host=a", "cpus=4", ""]
    assert form.values("event_type") == ["vm.*"]
    assert 'value="timestamp" selected' in page.source


def test_pages_lead_in_both_directions(console: PageConsole) -> None:
    ingest(console.store, VM, *(make_event(f"e{n:02}", seconds=n) for n in range(7)))
    query = "/events?by=timestamp&limit=3&trait=instance%3Da"
    first = console.get(query)
    assert ids(first) == ["e06", "e05", "e04"]
    assert not first.has_link("Previous")
    assert not first.has_link("Newest")
    second = console.get(f"/events{first.link('Next')}")
    last = console.get(f"/events{second.link('Next')}")
    assert (ids(second), ids(last)) == (["e03", "e02", "e01"], ["e00"])
    assert not last.has_link("Next")
    assert ids(console.get(f"/events{last.link('Previous')}")) == ids(second)
    assert ids(console.get(f"/events{second.link('Previous')}")) == ids(first)
    assert ids(console.get(f"/events{second.link('Newest')}")) == ids(first)
    assert ids(console.get(f"/events{second.link('Oldest')}")) == ["e00", "e01", "e02"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("since=soon", "'soon' is neither a time"),
        ("trait=host", "expected name=value"),
        ("by=size", "by 'size' is not timestamp"),
        ("cursor=x", "cursor 'x' is not a cursor of this list"),
        ("colour=red", "unknown parameter 'colour'"),
        ("event_type=%00", "contains the character NUL"),
        ("&".join(["trait=a%3D1"] * 101), "101 parameters are given; at most 100 are allowed"),
    ],
)
def test_a_wrong_filter_is_explained_above_the_form(
    events: PageConsole, query: str, problem: str
) -> None:
    page = events.get(f"/events?{query}", status=400)
    assert problem in page.text
    assert page.rows == []


def test_an_empty_list_says_what_to_do(console: PageConsole) -> None:
    assert "Events appear here when" in console.get("/events").text
    assert "Nothing matches these filters" in console.get("/events?event_type=x").text


@pytest.mark.parametrize(
    "message_id", ["plain", "a/b?c#d%20e", "größe", "find", "..", ".", "a/../b", "a&b=c"]
)
def test_an_event_is_found_by_any_id(console: PageConsole, message_id: str) -> None:
    ingest(console.store, VM, make_event(message_id, host="h"))
    href = console.get("/events").link(message_id)
    page = console.get(href)
    assert message_id in page.text
    searched = console.client.get(f"/events?id={href.rpartition('/')[2].rpartition('=')[2]}")
    if searched.status == 303:
        assert searched.header("location") == href
    else:
        assert (searched.status, href) == (200, f"/events?{urlencode({'id': message_id})}")


@pytest.mark.parametrize("path", ["/events/gone", "/events/%00", "/events/" + "x" * 256])
def test_an_unknown_event_may_be_elsewhere(console: PageConsole, path: str) -> None:
    page = console.get(path, status=404)
    for place in ("rejected", "dropped", "trimmed"):
        assert place in page.text
    assert page.link("rejected") == "/rejected"


def test_an_event_shows_typed_traits_that_lead_to_equal_events(events: PageConsole) -> None:
    page = events.get("/events/other")
    assert page.heading == "disk.update"
    traits = {row[0]: row[1:] for row in page.rows if len(row) == 3}
    assert traits["cpus"] == ["4", "integer find events with this cpus"]
    assert traits["full"][0] == "true"
    assert traits["full"][1].startswith("boolean")
    assert traits["at"] == ["2024-05-17 12:00:05", "time find events with this at"]
    for name, others in {"cpus": {"late", "other"}, "full": {"other"}, "at": {"other"}}.items():
        href = page.link(f"find events with this {name}")
        assert set(ids(events.get(href))) == others


@pytest.mark.parametrize("value", ["4", "true", '"4"', "1.0", "2024-05-17T12:00:00Z", " x ", "a=b"])
def test_a_text_that_looks_like_another_type_is_found(console: PageConsole, value: str) -> None:
    ingest(console.store, VM, make_event("one", text=value), make_event("two", text=4))
    page = console.get("/events/one")
    href = page.link("find events with this text")
    assert ids(console.get(href)) == ["one"]


def test_an_event_links_its_streams_and_says_why(events: PageConsole) -> None:
    page = events.get("/events/late")
    stream = only_stream(events.store, instance="a")
    assert page.link(f"Stream {stream.id}") == f"/streams/{stream.id}"
    assert page.link("vm") == "/triggers/vm"
    assert "It meets match criterion 1" in page.text
    assert "its event type is not 'vm.end'" in page.text
    other = events.get("/events/other")
    assert "No trigger matches it" in other.text
    assert "Its event type is not 'vm.*'" in other.text


def test_an_event_without_triggers_or_traits(console: PageConsole) -> None:
    event = {"message_id": "bare", "event_type": "x", "timestamp": NOON}
    ingest(console.store, VM, event)
    assert "no traits besides" in console.get("/events/bare").text


def test_the_events_of_a_stream_in_pages(console: PageConsole) -> None:
    ingest(console.store, VM, *(make_event(f"e{n}", seconds=n) for n in range(5)))
    stream = only_stream(console.store, instance="a")
    path = f"/streams/{stream.id}/events"
    first = console.get(f"{path}?limit=3")
    assert ids(first) == ["e4", "e3", "e2"]
    assert first.link(f"Stream {stream.id}") == f"/streams/{stream.id}"
    rest = console.get(f"{path}{first.link('Next')}")
    assert ids(rest) == ["e1", "e0"]
    assert ids(console.get(f"{path}{rest.link('Previous')}")) == ids(first)
    assert ids(console.get(f"{path}?order=oldest&limit=2")) == ["e0", "e1"]
    assert "unknown parameter" in console.get(f"{path}?event_type=x", status=400).text
    console.get("/streams/99/events", status=404)
    console.get("/streams/none/events", status=400)


def test_many_and_long_traits_are_cut(console: PageConsole) -> None:
    big = {f"t{n:04}": "<" * 2_000 for n in range(500)}
    ingest(console.store, VM, make_event("many", **big), make_event("long", text="&" * 1_000_000))
    page = console.get("/events/many")
    assert "more: see the event as JSON" in page.text
    assert page.link("the event as JSON") == "/api/v1/events/many"
    assert "cut, 1,000,000 characters" in console.get("/events/long").text
    assert len(console.client.get("/events").body) < 50_000
    assert flat_event(console.store.get_event_by_message_id("many"))["t0000"] == "<" * 2_000


@pytest.mark.parametrize("message_id", ["\n", "a\nb", "a\r\n", "\t", " "])
def test_an_id_may_consist_of_spaces_and_line_breaks(console: PageConsole, message_id: str) -> None:
    ingest(console.store, VM, make_event(message_id))
    href = console.get("/events").link_with("/events/")
    assert console.get(href).title.startswith("Event vm.")
    response = console.client.get(f"/api/v1{href}")
    assert (response.status, response.json["message_id"]) == (200, message_id)


@pytest.mark.parametrize("message_id", ["\t", " "])
def test_an_id_of_spaces_is_searched(console: PageConsole, message_id: str) -> None:
    ingest(console.store, VM, make_event(message_id))
    response = console.client.get(f"/events?{urlencode({'id': message_id})}")
    assert response.header("location") == event_path(message_id)


def test_numbers_agree_with_their_noun(console: PageConsole) -> None:
    ingest(console.store, VM, make_event("one"))
    assert "1 of 1 event Time" in console.get("/events").text
    ingest(console.store, VM, make_event("two"))
    assert "2 of 2 events Time" in console.get("/events").text
