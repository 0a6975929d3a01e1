"""Templates: variables, filters, limits, and what is reported with which line."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from voluptuous import Invalid

from winchester_core.interfaces.json_schema import annotation_of
from winchester_core.interfaces.templates import (
    MAX_OUTPUT_BYTES,
    TemplateFailed,
    check_variables,
    event_variables,
    render,
    template,
)
from winchester_core.model.time_range import TimeRange
from winchester_core.testing import make_env, make_event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://winchester.example.org/streams/7"


def event(number: int, **traits: Any) -> dict[str, Any]:
    moment = NOON + number * timedelta(minutes=50)
    traits = {"host": "web-1", "items": "<b>", "size": number} | traits
    return make_event("disk.full", message_id=f"m{number}", timestamp=moment, **traits)


def variables(**env: Any) -> dict[str, Any]:
    events = [event(number) for number in (1, 2, 3)]
    facts = {"stream_id": 7, "stream_name": "disks", "stream_url": URL, "stream_time": NOON}
    group = {"host": "web-1", "day": TimeRange(NOON, NOON + timedelta(days=1))}
    return event_variables(
        events[1], events, make_env(**facts, **{"distinguished_by": group} | env)
    )


def text(source: str, **env: Any) -> str:
    """Return the text of a valid template."""
    return render(template()(source), variables(**env), "body")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ stream.id }} {{ stream.name }} {{ stream.count }} {{ reason }}", "7 disks 3 fire"),
        ("{{ stream.url }} {{ stream_url }}", f"{URL} {URL}"),
        ("{{ stream.distinguished_by.host }}", "web-1"),
        ("{{ stream.distinguished_by.day.begin | local }}", "2026-03-01 12:00 UTC"),
        ("{{ first.message_id }} {{ last.message_id }} {{ event.message_id }}", "m1 m3 m2"),
        ("{{ stream.begin == first.timestamp }} {{ stream.end | isoformat }}",
         "True 2026-03-01T14:30:00+00:00"),
        ("{% for e in events %}{{ e.size }}{% if not loop.last %}, {% endif %}{% endfor %}",
         "1, 2, 3"),
        ("{{ events | map(attribute='size') | sum }}", "6"),
        ("{{ first.items }}", "<b>"),
        ("{{ first.missing | default('none') }} {{ first.missing is defined }}", "none False"),
        ("{{ events | selectattr('size', '>', 1) | list | length }}", "2"),
        ("{% set total = stream.count * 2 %}{{ total }}", "6"),
        ("a\n{# comment #}\n{% if true %}\n  b\n{% endif %}\nc", "a\n  b\nc"),
    ],
)  # fmt: skip
def test_what_a_template_reads(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ first.timestamp | local('Europe/Berlin') }}", "2026-03-01 13:50 CET"),
        ("{{ first.timestamp | local('Asia/Tokyo', '%H:%M') }}", "21:50"),
        ("{{ stream.duration | duration }}", "1 hour 40 minutes"),
        ("{{ 90061 | duration }}", "1 day 1 hour"),
        ("{{ 86460 | duration }}", "1 day"),
        ("{{ 0 | duration }}, {{ 1 | duration }}", "0 seconds, 1 second"),
        ("{{ 0.25 | duration }}", "0.25 seconds"),
        ("{{ -120 | duration }}", "-2 minutes"),
        ("{{ 'abcdef' | truncate(4) }} {{ 'abcd' | truncate(4) }}", "abc… abcd"),
    ],
)  # fmt: skip
def test_filters(source: str, expected: str) -> None:
    assert text(source) == expected


def test_the_filter_json_writes_times_and_durations() -> None:
    written = json.loads(text("{{ [first, stream.duration, stream.distinguished_by] | json }}"))

    first, seconds, group = written
    assert first["timestamp"] == "2026-03-01T12:50:00+00:00"
    assert first["items"] == "<b>"
    assert seconds == 6000
    assert group["day"]["end"] == "2026-03-02T12:00:00+00:00"


def test_values_are_escaped_for_html_on_request() -> None:
    source = "<p>{{ first.items }}</p>"

    assert render(source, variables(), "body", autoescape=True) == "<p>&lt;b&gt;</p>"
    assert render(source, variables(), "body") == "<p><b></p>"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a\n{{ steam.id }}",
         "line 2 of the template: no variable is named 'steam'; did you mean 'stream'?"),
        ("{{ zzzzzz }}", "no variable is named 'zzzzzz'; variables: stream, events, first"),
        ("a\n\n{% if x", "line 3 of the template: unexpected end of template"),
        ("{% if false %}\n{{ 1 | jsn }}{% endif %}",
         "line 2 of the template: no filter is named 'jsn'; did you mean 'json'?"),
        ("a\n{{ stream.nam }}",
         "line 2 of the template: 'stream' has no key 'nam'; did you mean 'name'?"),
        ("{{ stream['hosts'] }}", "'stream' has no key 'hosts'; keys: begin, count"),
        ("{{ 1 is defind }}", "no test is named 'defind'; did you mean 'defined'?"),
        ("{% macro f() %}{% endmacro %}", "the statement 'macro' is not available"),
        ("{% include '/etc/passwd' %}", "the statement 'include' is not available"),
        ("{% for e in events recursive %}{% endfor %}", "recursive loops are not available"),
        ("{% set x %}a{% endset %}", "a 'set' with an 'endset' is not available"),
        ("{{ 'a' | _counted }}", "no filter is named '_counted'"),
        ("", "expected a template: text of 1 to 65536 characters"),
        (7, "expected a template"),
        ("a" * 65_537, "expected a template"),
        ("{{ " + "(" * 3000 + ")" * 3000 + " }}", "the template is nested too deeply"),
    ],
)  # fmt: skip
def test_an_invalid_template_is_refused_with_its_line(source: Any, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        template()(source)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ stream.distinguished_by.host }}{{ stream['count'] }}{{ stream[first.key] }}",
        "{% for name in stream.keys() %}{{ stream.get(name) }}{% endfor %}",
        "{% for stream in events %}{{ stream.host }}{% endfor %}",
    ],
)
def test_keys_of_the_stream_are_accepted(source: str) -> None:
    assert template()(source) == source


def test_a_template_for_a_stream_has_no_event() -> None:
    with pytest.raises(Invalid, match="line 1 of the template: no variable is named 'event'"):
        check_variables("{{ event.size }}", ("stream", "events"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a\n{{ first.sze }}", "line 2: 'dict object' has no attribute 'sze'"),
        ("{{ first.sze | json }}", "line 1: 'dict object' has no attribute 'sze'"),
        ("{{ first.sze | duration }}", "line 1: 'dict object' has no attribute 'sze'"),
        ("{% for x in first.sze %}{% endfor %}", "'dict object' has no attribute 'sze'"),
        ("{{ first.size | local }}", "line 1: expected a time, not int"),
        ("{{ true | duration }}", "expected a duration, not bool"),
        ("{{ first.timestamp | local('Mars/Base') }}", "no time zone is named 'Mars/Base'"),
        ("{{ 1 / 0 }}", "line 1: division by zero"),
        ("{{ first.message_id.__class__ }}",
         "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ 'x'.format(1) }}", "access to attribute 'format' of 'str' object is unsafe"),
        ("{{ events.append(1) }}", "access to attribute 'append' of 'list' object is unsafe"),
    ],
)  # fmt: skip
def test_a_failure_names_parameter_line_and_cause(source: str, reason: str) -> None:
    with pytest.raises(TemplateFailed) as caught:
        text(source)
    assert str(caught.value).startswith("the template 'body', line ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(999) %}{{ range(999) | sum }}{% endfor %}",
        "{{ range(10 ** 9) | list | length }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ [0] * 10 ** 9 }}",
        "{{ 2 ** 999999999 }}",
        "{{ (10 ** 14) ** 14 * 10 ** 14 }}",
        "{% set a = first.items ~ 'x' * 1 %}",
        "{% for i in range(9999) %}{{ first.message_id }}{{ 'abcdef' }}{% endfor %}",
        "{% set a = 'abcdefgh' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{% set a = 'abcdefgh' %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    ],
)
def test_time_and_memory_are_bounded(source: str) -> None:
    template()(source)
    tracemalloc.start()
    try:
        with pytest.raises(TemplateFailed):
            text(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


def test_the_size_of_the_result_is_limited_in_bytes() -> None:
    long = {"distinguished_by": {"host": "ä" * (MAX_OUTPUT_BYTES // 2)}}

    assert len(text("{{ stream.distinguished_by.host }}", **long)) == MAX_OUTPUT_BYTES // 2
    with pytest.raises(TemplateFailed, match="the text is longer than 65536 bytes"):
        text("{{ stream.distinguished_by.host }}.", **long)


def test_editors_get_a_schema() -> None:
    annotation = annotation_of(template())
    assert annotation is not None
    assert annotation.keywords["type"] == "string"


@pytest.mark.parametrize(
    "source",
    ["{{ first.long | replace('a', first.long) }}", "{{ range(9999) | join(first.long) }}"],
)
def test_a_filter_lengthens_no_text_without_limit(source: str) -> None:
    with pytest.raises(TemplateFailed, match="would add more than 65536 characters"):
        render(source, {"first": {"long": "a" * 60_000}}, "body")


def test_filters_may_shorten_long_texts() -> None:
    source = "{{ long | replace('a', '') }}{{ [1, 2] | join('-') }}"
    assert render(source, {"long": "a" * 100_000 + "b"}, "body") == "b1-2"
    items = {"items": [{"n": "<"}, {"n": "x"}]}
    source = "{{ items | map('replace', 'x', 'y') | list | length }}{{ items | join('&', 'n') }}"
    assert render(source, items, "body", autoescape=True) == "2&lt;&amp;x"
