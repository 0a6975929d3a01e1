"""Timeline of a stream: positions, order, limits, and hostile texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.probes.drawings import links, names, parse, positions, texts
from winchester_core.console.timeline import (
    CriterionLane,
    DeadlineKind,
    EventMark,
    MarkKind,
    Period,
    StatePeriod,
    Timeline,
    TimelineDeadline,
    draw_timeline,
)
from winchester_core.console.timeline.compressed_axis import WIDTH
from winchester_core.console.timeline.lanes import MAX_LEVELS, MAX_MARKS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
MAX_BYTES = 300 * 1024
HOSTILE = "<script>alert(1)</script>\"'&\u202e\u2066\x1b[31m\x00" + "\N{GRINNING FACE}" * 2**20
LANES = (CriterionLane("login.failed", "3 of 5", False), CriterionLane("login.ok", "met", True))
TIMES = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(
    lambda time: time.replace(tzinfo=UTC)
)
CLOSE_TIMES = st.integers(0, 3600).map(lambda seconds: NOON + timedelta(seconds=seconds))
TEXTS = st.one_of(st.text(max_size=50), st.just(HOSTILE))
MARKS = st.builds(
    EventMark,
    at=st.one_of(TIMES, CLOSE_TIMES),
    event_type=TEXTS,
    href=st.just("events/1"),
    kind=st.sampled_from(MarkKind),
    criteria=st.lists(st.integers(-1, 4), max_size=3).map(tuple),
    reason=TEXTS,
)
TIMELINES = st.builds(
    Timeline,
    marks=st.lists(MARKS, max_size=40),
    criteria=st.lists(st.builds(CriterionLane, TEXTS, TEXTS, st.booleans()), max_size=3),
    deadlines=st.lists(
        st.builds(
            TimelineDeadline, st.one_of(TIMES, CLOSE_TIMES), st.sampled_from(DeadlineKind), TEXTS
        ),
        max_size=14,
    ),
    periods=st.lists(
        st.builds(
            lambda one, other, label: Period(min(one, other), max(one, other), label),
            TIMES,
            CLOSE_TIMES,
            TEXTS,
        ),
        max_size=3,
    ),
    states=st.lists(
        st.builds(StatePeriod, st.one_of(TIMES, CLOSE_TIMES), TEXTS, TEXTS, st.booleans()),
        max_size=5,
    ).map(lambda states: sorted(states, key=lambda each: each.at)),
    states_until=st.one_of(st.none(), CLOSE_TIMES),
    shares_clock=st.booleans(),
    now=st.one_of(st.none(), CLOSE_TIMES),
    omitted=st.integers(0, 10**6),
    events_href=st.sampled_from(["", "events?stream=1"]),
)


def mark(
    seconds: float, *criteria: int, kind: MarkKind = MarkKind.COUNTS, name: str = "a"
) -> EventMark:
    return EventMark(NOON + timedelta(seconds=seconds), name, f"events/{seconds}", kind, criteria)


def drawn(timeline: Timeline) -> Element:
    return parse(draw_timeline(timeline))


def marks_of(root: Element) -> list[float]:
    return [each.position for each in links(root, "mark")]


def test_each_event_is_a_link_with_a_title() -> None:
    root = drawn(Timeline([mark(0, 1, name="login.failed"), mark(60, 1, 2)], LANES))
    first, second = links(root, "mark")
    assert first.href == "events/0"
    assert first.title == "login.failed\n2026-12-01T12:00:00Z\ncounts for criterion 1"
    assert second.title.endswith("counts for criteria 1, 2")
    assert first.position < second.position


def test_an_ignored_event_has_its_reason() -> None:
    ignored = replace(mark(0, kind=MarkKind.IGNORED), reason="it is older than the first event")
    root = drawn(Timeline([ignored], LANES))
    assert links(root, "mark")[0].title.endswith("does not count: it is older than the first event")
    assert "Do not count1" in texts(root, "lane-label")


def test_an_event_that_counts_for_two_criteria_is_in_both_lanes() -> None:
    root = drawn(Timeline([mark(0, 1, 2)], LANES))
    (link,) = (each for each in root.iter("a") if "mark" in each.get("class", "").split())
    assert len({each.get("cy") for each in link.iter("circle")}) == 2


@given(TIMELINES)
@settings(max_examples=60, deadline=None)
def test_any_timeline_is_drawn_inside_its_box(timeline: Timeline) -> None:
    text = draw_timeline(timeline)
    root = parse(text)
    assert len(text.encode()) < MAX_BYTES
    assert all(0 <= each <= 100 for each in positions(root))
    for canvas in (each for each in root.iter("svg") if each.get("class") == "canvas"):
        height = float(canvas.get("height", ""))
        for name in ("y", "y1", "y2", "cy"):
            for each in canvas.iter():
                value = each.get(name)
                if value is not None and each.get("class", "").split()[:1] != ["flag"]:
                    assert -8 <= float(value) <= height
    assert not {"script", "style", "onload"} & names(root)
    assert not [char for char in "".join(root.itertext()) if char in "\u202e\u2066\x1b\x00"]


@given(st.lists(st.one_of(TIMES, CLOSE_TIMES), min_size=1, max_size=80))
@settings(deadline=None)
def test_marks_are_in_the_order_of_their_times(times: list[datetime]) -> None:
    shuffled = [EventMark(at, "a", f"{at:%Y-%m-%dT%H:%M:%S.%f}", MarkKind.JOINS) for at in times]
    found = links(drawn(Timeline(shuffled)), "mark")
    by_time = sorted(found, key=lambda each: datetime.fromisoformat(each.href))
    assert all(one.position <= other.position for one, other in pairwise(by_time))


def test_idle_gaps_are_compressed_and_named() -> None:
    burst = [mark(day * 86_400 + second, 1) for day in (0, 3) for second in range(5)]
    root = drawn(Timeline(burst, LANES))
    assert texts(root, "idle") == ["2d 23h idle"]
    found = marks_of(root)
    assert found[4] - found[0] > 20
    assert found[5] - found[4] < 15


def test_a_gap_with_events_that_were_not_read_is_not_idle() -> None:
    states = [StatePeriod(NOON - timedelta(days=3), "active")]
    marks = [mark(second, 1) for second in (*range(5), *range(86_400, 86_405))]
    timeline = Timeline(marks, LANES, states=states)
    assert texts(drawn(timeline), "idle") == ["3d idle", "23h 59m idle"]
    assert texts(drawn(replace(timeline, omitted=70)), "idle") == ["not drawn", "23h 59m idle"]


def test_durations_of_gaps_have_a_line_of_their_own() -> None:
    burst = [mark(day * 86_400 + second, 1) for day in (0, 3) for second in range(5)]
    root = drawn(Timeline(burst, LANES))
    (gap,) = (each for each in root.iter("svg") if texts(each, "idle") and each.get("x"))
    lowest = max(float(circle.get("cy", "")) for circle in root.iter("circle"))
    labels = [
        float(each.get("y", ""))
        for each in root.iter("text")
        if "lane-label" in each.get("class", "")
    ]
    assert float(gap.get("y", "")) > max(lowest, *labels)


def test_a_long_criterion_is_cut_and_has_its_whole_text_as_title() -> None:
    label = "event type 'order.paid' and " + " and ".join(f"trait{n} is {n}" for n in range(20))
    root = drawn(Timeline([mark(0, 1)], [CriterionLane(label, "0 of 1", False), LANES[1]]))
    cut, short = (each for each in root.iter("text") if each.get("class") == "lane-label")
    assert cut.findtext("title") == label
    assert short.find("title") is None
    assert len("".join(cut.itertext())) - len(label) < 90


def test_the_last_state_ends_now_and_has_its_duration() -> None:
    states = [StatePeriod(NOON, "firing", "w1", has_failed=True),
              StatePeriod(NOON + timedelta(minutes=1), "error")]  # fmt: skip
    until = NOON + timedelta(minutes=5)
    timeline = Timeline([mark(0, 1)], LANES, states=states, states_until=until)
    root = drawn(timeline)
    firing, error = (each for each in root.iter("g") if "state" in each.get("class", "").split())
    assert error.findtext("title") == "error\nfrom 2026-12-01T12:01:00Z for 4m"
    assert texts(root, "state-label") == ["firing 1m", "error 4m"]
    assert firing.findtext("title", "").startswith("firing, w1\n")
    (failure,) = (
        each.findtext("title")
        for each in root.iter("g")
        if each.find("path[@class='failure']") is not None
    )
    assert failure == ("attempt failed, w1\nfrom 2026-12-01T12:00:00Z to 2026-12-01T12:01:00Z (1m)")
    final = drawn(replace(timeline, states_until=None))
    assert "error\nfrom 2026-12-01T12:01:00Z" in [each.text for each in final.iter("title")]


def test_every_event_is_drawn_or_counted_in_a_bin() -> None:
    many = [mark(second / 7, 1 + second % 2) for second in range(10_000)]
    text = draw_timeline(Timeline(many, LANES))
    root = parse(text)
    assert len(text.encode()) < MAX_BYTES
    found = links(root, "mark")
    assert 0 < len(found) <= MAX_MARKS
    counted = [
        int(each.findtext("title", "").split()[0].replace(",", ""))
        for each in root.iter("g")
        if each.get("class") == "bin"
    ]
    assert len(found) + sum(counted) == 10_000


def test_the_rarer_and_more_important_events_are_drawn_first() -> None:
    many = [mark(second, kind=MarkKind.JOINS) for second in range(5_000)]
    rare = [mark(2_000, kind=MarkKind.CANCELS), mark(2_001, 1), mark(4_000, 1)]
    root = drawn(Timeline([*many, *rare], LANES))
    styles = Counter(each.get("class", "").rpartition(" ")[2] for each in root.iter("a"))
    assert styles["mark-cancels"] == 1
    assert styles["mark-counts"] == 2


def test_identical_times_are_stacked_and_the_rest_is_counted() -> None:
    root = drawn(Timeline([mark(0, 1) for _ in range(40)], LANES))
    heights = [circle.get("cy") for link in root.iter("a") for circle in link.iter("circle")]
    assert len(set(heights)) == len(heights) == MAX_LEVELS
    assert "+34" in texts(root, "bin")[0]


def test_marks_do_not_overlap() -> None:
    many = [mark(second, 1) for second in range(0, 3_000, 3)]
    root = drawn(Timeline(many, LANES))
    by_height: dict[str, list[float]] = {}
    for link in root.iter("a"):
        for circle in link.iter("circle"):
            by_height.setdefault(circle.get("cy", ""), []).append(float(circle.get("cx", "")[:-1]))
    for found in by_height.values():
        assert all(other - one > 1.2 for one, other in pairwise(sorted(found)))


@given(st.lists(st.integers(0, 3600), min_size=1, max_size=12))
@settings(deadline=None)
def test_labels_of_deadlines_do_not_overlap(seconds: list[int]) -> None:
    deadlines = [
        TimelineDeadline(NOON + timedelta(seconds=each), DeadlineKind.FIRE, f"fires after {each}")
        for each in seconds
    ]
    root = drawn(Timeline([mark(0, 1)], LANES, deadlines))
    rows: dict[str, list[tuple[float, float]]] = {}
    for outer in root.iter("svg"):
        for text in outer.findall("text"):
            style = text.get("class", "").split()
            if "flag" in style:
                x = float(outer.get("x", "")[:-1]) / 100 * WIDTH
                width = len(text.text or "") * 7
                interval = (x - width, x) if "end" in style else (x, x + width)
                rows.setdefault(outer.get("y", ""), []).append(interval)
    assert sum(map(len, rows.values())) == len(seconds)
    for found in rows.values():
        assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(found)))


def test_states_with_another_clock_have_an_axis_of_their_own() -> None:
    states = [
        StatePeriod(NOON + timedelta(days=900), "firing", "worker a", has_failed=True),
        StatePeriod(NOON + timedelta(days=900, seconds=5), "error"),
    ]
    timeline = Timeline([mark(0, 1), mark(10, 1)], LANES, states=states)
    shared, apart = (drawn(replace(timeline, shares_clock=each)) for each in (True, False))
    assert [each.get("class") for each in shared.iter("svg")].count("canvas") == 1
    assert [each.get("class") for each in apart.iter("svg")].count("canvas") == 2
    assert "Attempts, in real time" in texts(apart, "lane-label")
    assert len(texts(apart, "state")) == len(texts(shared, "state")) == 2


def test_the_description_says_what_the_drawing_shows() -> None:
    root = drawn(
        Timeline(
            [mark(0, 1), mark(60, 1)],
            LANES,
            [TimelineDeadline(NOON + timedelta(hours=1), DeadlineKind.EXPIRE, "expires")],
            states=[StatePeriod(NOON, "retry_fire")],
            omitted=3,
        )
    )
    (description,) = texts(root, "visually-hidden")
    assert description == (
        "5 events from 2026-12-01T12:00:00Z to 2026-12-01T12:01:00Z; "
        "fire criterion 1, login.failed: 3 of 5; fire criterion 2, login.ok: met; "
        "expires 2026-12-01T13:00:00Z; retry fire since 2026-12-01T12:00:00Z."
    )


def test_the_size_is_bounded_with_long_links_and_types() -> None:
    many = [
        EventMark(NOON + timedelta(seconds=each), "'<\N{GRINNING FACE}" * 999, "e/" + "%F0" * 1_000,
             MarkKind.COUNTS, (1, 2), "\"&" * 999)
        for each in range(600)
    ]  # fmt: skip
    text = draw_timeline(Timeline(many, LANES))
    assert len(text.encode()) < MAX_BYTES
    assert links(parse(text), "mark")


@pytest.mark.parametrize("timeline", [Timeline([]), Timeline([], LANES)])
def test_nothing_to_draw(timeline: Timeline) -> None:
    assert drawn(timeline).text == "This stream has no events."


def test_many_criteria_share_the_last_lane() -> None:
    lanes = [CriterionLane(f"type.{n}", "0 of 1", False) for n in range(1, 41)]
    root = drawn(Timeline([mark(n, n) for n in range(1, 41)], lanes))
    assert len(texts(root, "lane-number")) == 12
    assert len(marks_of(root)) == 40
