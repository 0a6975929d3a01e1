"""Filters: any text is accepted or a problem, and actions select what lists show."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders.events import at, ready_to_fire
from support.probes.hypothesis_examples import examples
from support.scenes.api_console import ApiConsole, database_settings, fail_streams, reject
from support.scenes.outbox_operations import make_dead_letter, queue_effects
from support.servers.databases import BACKENDS, Databases
from winchester_core.console.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.console.parameters import QueryParameter

EXAMPLES = examples(100)
HOSTILE = (
    *("", "*", "?", "%", "_", "'", '"', "\\", "[a]", "a\0", "\u202e"),
    *("=", "a=", "a=1e9999", "instance=b", "instance=2026-03-02T09:00:00Z/2026-03-03T09:00:00Z"),
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(HOSTILE),
    st.sampled_from(("1d", "999999999y", "0s", "2026-03-02", "9999-12-31T23:59:59Z", "0001-01-01")),
    st.builds("{}={}".format, st.sampled_from(("instance", "größe", "x")), st.text(max_size=20)),
    st.integers(-(2**70), 2**70).map("instance={}".format),
    st.integers(-5, 2**64).map(str),
)


@pytest.fixture(scope="module", params=BACKENDS)
def console(request: pytest.FixtureRequest, databases: Databases) -> Iterator[ApiConsole]:
    """A console on a database with some objects of each kind."""
    url = databases.emptied(request.param).engine.url.render_as_string(hide_password=False)
    made = ApiConsole(database_settings(url))
    with closing(made.site):
        make_dead_letter(made.store, "d")
        queue_effects(made.store, a=["first", "second"])
        fail_streams(made.store, "b", "c", error="100% of it\\")
        ready_to_fire(made.store, "e")
        reject(made.store, b"{}", b"[]")
        made.store.advance_event_clock(at(10_000))
        yield made


def value_of(parameter: QueryParameter) -> st.SearchStrategy[Any]:
    """Return texts for a parameter, often valid ones."""
    one = parameter.schema["items"] if parameter.repeated else parameter.schema
    valid = st.sampled_from(one["enum"]) if "enum" in one else VALUES
    texts = st.one_of(valid, VALUES)
    return st.lists(texts, min_size=1, max_size=2) if parameter.repeated else texts


def queries(name: str) -> st.SearchStrategy[dict[str, Any]]:
    by_name = {each.name: value_of(each) for each in RESOURCES[name].parameters}
    return st.fixed_dictionaries({}, optional=by_name)


@pytest.mark.parametrize("name", RESOURCES)
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_any_filter_is_a_list_or_a_problem(
    console: ApiConsole, name: str, data: st.DataObject
) -> None:
    query = data.draw(queries(name))
    response = console.send("GET", name, **query)
    assert response.status in (200, 400), response.text
    assert ("items" in response.json) == (response.status == 200)


@pytest.mark.parametrize("name", ["rejected", "outbox"])
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_an_action_selects_what_the_list_shows(
    console: ApiConsole, name: str, data: st.DataObject
) -> None:
    query = data.draw(queries(name))
    listed = console.send("GET", name, limit=200, **query)
    filters = {key: value for key, value in query.items() if value}
    if name == "outbox" and "state" not in filters:
        listed = console.send("GET", name, limit=200, **{**query, "state": "dead"})
    if "stream" in filters:
        text = filters["stream"]
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            return  # in JSON it is a number
        filters["stream"] = int(text)
    counted = console.send("POST", f"{name}/discard", {"filter": filters, "dry_run": True})
    assert counted.status == listed.status, (counted.text, listed.text)
    if counted.status == 200:
        assert counted.json["matched"] == len(listed.json["items"])
        assert counted.json["left"] is False


@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_an_action_on_streams_selects_the_failed_ones(
    console: ApiConsole, data: st.DataObject
) -> None:
    names = ("trigger", "trait", "error", "event_type", "message_id", "older_than")
    chosen = {key: value for key, value in data.draw(queries("streams")).items() if key in names}
    filters = {key: value for key, value in chosen.items() if value}
    listed = console.send("GET", "streams", limit=200, state=["error", "expire_error"], **chosen)
    counted = console.send("POST", "streams/reset", {"filter": filters, "dry_run": True})
    if "" in filters.get("trait", ()):
        assert counted.status == 400  # empty parameters of a query are ignored
        return
    assert counted.status == listed.status, (counted.text, listed.text)
    if counted.status == 200:
        assert counted.json["matched"] == len(listed.json["items"])
