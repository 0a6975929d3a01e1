"""Triggers: their streams, rates and definitions, and why events do not match them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import yaml

from support.builders.operations import trigger
from support.scenes.guarded_console import OPERATOR, VIEWER
from support.scenes.open_pages import MARKUP, PagesSite, visible
from support.scenes.sites import task_events
from winchester_core.model.activity import ActivityCounts
from winchester_core.telemetry.debug_counts import DebugGroup

if TYPE_CHECKING:
    from pathlib import Path

LARGE = """\
- name: large
  distinguished_by: [host, timestamp: day]
  expiration: "$last + 1h"
  fire_pipeline: report
  match_criteria:
    - event_type: "task.[be]*"
      traits: {cores: {numeric: "> 2"}}
    - event_type: [task.retry, "!task.end"]
      opens: false
  fire_criteria:
    - {event_type: task.begin, number: 2}
    - event_type: task.end
  fire_order: sequence
  suppress: 1h
"""


@pytest.fixture
def site(tmp_path: Path) -> PagesSite:
    return PagesSite(tmp_path)


def text_cores(host: str) -> list[dict[str, object]]:
    """Return events of which the trait `cores` is text."""
    return [{**event, "cores": "4"} for event in task_events(host)]


def add_triggers(site: PagesSite, text: str) -> None:
    site.write("triggers.yaml", (site.path / "triggers.yaml").read_text() + text)


def test_the_list_has_streams_and_activity_of_each_trigger(site: PagesSite) -> None:
    add_triggers(site, LARGE)
    site.ingest([*task_events("web-1"), *task_events("web-2", ends=False)])
    with site.store() as store:
        counts = ActivityCounts(streams_opened=12, streams_fired=7, streams_failed=3)
        store.report_process(None, {trigger("pair"): counts})
    with site.pages() as pages:
        text = pages.text("/triggers")
    assert 'href="/streams?trigger=pair&amp;state=active"' in text
    assert "pair host active 2 12 7 0 3 not counted" in visible(text)
    assert "large host , timestamp: day active" in visible(text)
    assert "2 of 2 triggers" in text


def test_no_trigger_is_an_empty_state(site: PagesSite) -> None:
    site.write("triggers.yaml", "[]\n")
    with site.pages() as pages:
        assert "No trigger is configured" in pages.text("/triggers")


def test_many_triggers_have_pages_and_a_search(site: PagesSite) -> None:
    (pair,) = yaml.safe_load((site.path / "triggers.yaml").read_text())
    many = [{**pair, "name": f"pair-{number:03}"} for number in range(250)]
    site.write("triggers.yaml", yaml.safe_dump(many))
    with site.pages() as pages:
        first = pages.text("/triggers")
        second = pages.text("/triggers?from=100")
        last = pages.text("/triggers?from=200&q=PAIR")
        found = pages.text("/triggers?q=24")
        none = pages.text("/triggers?q=%3Cb%3E")
        refused = pages.text("/triggers?from=x", status=400)
    assert 'href="?from=100" rel="next"' in first
    assert "pair-099" in first
    assert "pair-100" not in first
    assert 'href="?from=0" rel="prev"' in second
    assert 'href="?q=PAIR&amp;from=100" rel="prev"' in last
    assert 'rel="next"' not in last
    assert "13 of 13 triggers" in found
    assert "No name of a trigger contains this text." in none
    assert "from &#39;x&#39; is not a number" in refused


def test_names_and_traits_of_any_length_make_no_large_page(site: PagesSite) -> None:
    (pair,) = yaml.safe_load((site.path / "triggers.yaml").read_text())
    traits = ["host", *("\U0001f600" * 60 + str(number) for number in range(40))]
    names = [f"{number:03}" + "\U0001f600" * 250 for number in range(200)]
    removed = [{**pair, "name": name} for name in names[:100]]
    site.write("triggers.yaml", yaml.safe_dump(removed))
    site.ingest([*task_events("web-1", ends=False)])
    many = [{**pair, "name": name, "distinguished_by": traits} for name in names[100:]]
    site.write("triggers.yaml", yaml.safe_dump(many))
    with site.pages() as pages:
        text = pages.text("/triggers")
        start = int(re.findall(r'href="\?from=(\d+)" rel="next"', text)[0])
        following = pages.text(f"/triggers?from={start}")
    assert 300_000 < len(text.encode()) < 1 << 20
    assert 20 < start < 100
    assert quote(names[100 + start - 1]) in text
    assert quote(names[100 + start]) not in text
    assert quote(names[100 + start]) in following
    assert "and 33 more" in text
    assert re.search(r"and \d+ further triggers", text)


def test_streams_of_removed_triggers_are_listed(site: PagesSite) -> None:
    site.ingest(task_events("web-1", ends=False))
    site.write("triggers.yaml", LARGE)
    with site.pages() as pages:
        listed = pages.text("/triggers")
        page = pages.text("/triggers/pair")
        overview = pages.text("/")
    assert "pair active 1" in visible(listed)
    assert "This trigger is not configured" in page
    assert "Oldest open streams" in page
    assert "Definition in YAML" not in page
    assert 'href="/triggers#not-configured"' in overview


def test_a_page_has_the_definition_in_words_and_in_yaml(site: PagesSite) -> None:
    add_triggers(site, LARGE)
    with site.pages() as pages:
        text = visible(pages.text("/triggers/large"))
    assert "One stream for each host , timestamp: day" in text
    assert "event type 'task.[be]*' and cores is a number > 2" in text
    assert "event type 'task.retry' but not 'task.end' (opens no stream)" in text
    assert "these, in this order 2 events: event type 'task.begin'" in text
    assert "When it expires no pipeline runs" in text
    assert "Options fire order sequence, suppress 1h" in text
    assert "- name: large distinguished_by: - host - timestamp: day" in text
    assert "It has no stream yet." in text


def test_a_page_has_states_rates_and_the_oldest_open_streams(site: PagesSite) -> None:
    events = [each for number in range(12) for each in task_events(f"web-{number}", ends=False)]
    site.ingest(events)
    with site.store() as store:
        store.report_process(None, {trigger("pair"): ActivityCounts(streams_opened=12)})
        first = store.find_streams(limit=1)[0].id
    with site.pages() as pages:
        text = pages.text("/triggers/pair?since=7d")
    assert 'href="/streams?trigger=pair&amp;state=active">active</a>' in text
    assert "Opened in the last week" in text
    assert f'href="/streams/{first}"' in text
    assert text.count('class="traits"') == 10
    assert 'href="/streams?trigger=pair&amp;order=oldest"' in text


def test_newest_events_are_evaluated_without_a_debug_level(site: PagesSite) -> None:
    add_triggers(site, LARGE)
    site.ingest([*text_cores("web-1"), *text_cores("web-2"), *task_events("web-3")])
    with site.pages() as pages:
        text = visible(pages.text("/triggers/large"))
    assert "the trigger has no debug_level" in text
    assert "evaluated the newest 6 stored events" in text
    assert "2 match, 4 do not." in text
    assert "4 trait 'cores' is text, not an int or a float; expected: cores is a number > 2" in text


def test_an_evaluation_without_matches_says_so(site: PagesSite) -> None:
    add_triggers(site, LARGE)
    site.ingest(text_cores("web-1"))
    with site.pages() as pages:
        assert "none matches." in pages.text("/triggers/large")
        assert "all match." in pages.text("/triggers/pair")


def test_no_event_of_its_types_is_stored(site: PagesSite) -> None:
    with site.pages() as pages:
        assert "No event with its event types is stored." in pages.text("/triggers/pair")


def test_a_trigger_that_never_matches_is_found_from_the_overview(site: PagesSite) -> None:
    add_triggers(site, LARGE + "  debug_level: 2\n")
    site.ingest(text_cores("web-1"))
    with site.pages() as pages:
        overview, listed = pages.text("/"), pages.text("/triggers")
        page = visible(pages.text("/triggers/large"))
    assert 'href="/triggers/large#matching"' in overview
    assert "Trigger large has matched no event" in visible(overview)
    assert "0 of 2 events" in listed
    assert "none of 2 matched." in page
    assert "2 trait 'cores' is text, not an int or a float" in page
    assert "This page has evaluated" not in page


def test_the_first_level_counts_no_reasons_so_they_are_evaluated(site: PagesSite) -> None:
    add_triggers(site, LARGE + "  debug_level: 1\n")
    site.ingest([*text_cores("web-1"), *task_events("web-2")])
    with site.pages() as pages:
        text = visible(pages.text("/triggers/large"))
    assert "2 matched, 2 did not." in text
    assert "The reasons are counted only with debug_level: 2 ." in text
    assert "This page has evaluated the newest 4 stored events" in text


def test_many_reasons_are_summed_up(site: PagesSite) -> None:
    add_triggers(site, LARGE + "  debug_level: 2\n")
    group = DebugGroup(mismatched=25)
    for number in range(25):
        group.add_reason(f"reason {number} {MARKUP}")
    with site.store() as store:
        store.add_debug_counts({"large": group})
    with site.pages() as pages:
        text = pages.text("/triggers/large")
    assert text.count("&lt;b&gt;&#34;&amp;") == 20
    assert "5 5 other reasons" in visible(text)


def test_an_operator_resets_the_debug_counts(site: PagesSite) -> None:
    with site.store() as store:
        store.add_debug_counts({"pair": DebugGroup(matched=3)})
    with site.pages(OPERATOR) as pages:
        pages.text("/triggers/pair")
        response = pages.post("/triggers/pair/reset-debug")
        assert (response.status, response.header("location")) == (
            303,
            "/triggers/pair?done=debug-reset",
        )
        assert "The debug counts were deleted." in pages.text("/triggers/pair?done=debug-reset")
        again = pages.post("/triggers/pair/reset-debug")
        assert again.header("location") == "/triggers/pair"
    with site.store() as store:
        assert store.debug_counts() == {}
        (action,) = store.find_actions()
    assert (action.name, action.role, action.action, action.target, action.number) == (
        *("anna", "operator", "trigger.reset", "pair"),
        1,
    )


def test_a_viewer_cannot_reset_the_debug_counts(site: PagesSite) -> None:
    with site.store() as store:
        store.add_debug_counts({"pair": DebugGroup(matched=3)})
    with site.pages(VIEWER) as pages:
        page = pages.text("/triggers/pair")
        assert "Reset counts" not in page
        assert pages.post("/triggers/pair/reset-debug").status == 403
    with site.store() as store:
        assert list(store.debug_counts()) == ["pair"]


@pytest.mark.parametrize("name", [f"a/b {MARKUP}%41?x#y", "reset-debug", "größe"])
def test_any_name_has_a_page(site: PagesSite, name: str) -> None:
    (pair,) = yaml.safe_load((site.path / "triggers.yaml").read_text())
    site.write("triggers.yaml", yaml.safe_dump([{**pair, "name": name, "debug_level": 2}]))
    site.ingest(task_events("web-1"))
    path = f"/triggers/{quote(name, safe='')}"
    with site.pages(allow_actions=True) as pages:
        assert f'href="{path}"' in pages.text("/triggers")
        assert f'href="{path}"' in pages.text("/")
        page = pages.text(path)
        assert f"<h1>{name}" in page.replace("<bdi>", "").replace("&lt;", "<").replace(
            "&gt;", ">"
        ).replace("&#34;", '"').replace("&amp;", "&")
        response = pages.post(f"{path}/reset-debug")
        assert response.header("location") == f"{path}?done=debug-reset"


def test_an_unknown_trigger_is_not_found(site: PagesSite) -> None:
    with site.pages() as pages:
        text = visible(pages.text("/triggers/%3Cb%3E", status=404))
    assert "no trigger is named '<b>'" in text
