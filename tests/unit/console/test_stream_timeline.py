"""Timeline of a stream: kinds of marks, deadlines, periods, and states with failed attempts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, at, make_event
from support.builders.stream_records import make_stream_record
from winchester_core.console.stream_timeline import EARLIER_STATES, stream_timeline
from winchester_core.console.timeline import DeadlineKind, MarkKind
from winchester_core.inspection.group_silence import GroupSilence
from winchester_core.inspection.stream_reasons import StreamSituation
from winchester_core.model.stream import Decision, StateChange, StreamState
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.member_explanation import CancellingEvent, MemberExplanation
from winchester_core.triggers.progress_explanation import CriterionProgress
from winchester_core.triggers.window_explanation import WindowProgress

if TYPE_CHECKING:
    from winchester_core.console.timeline import Timeline

HOUR = timedelta(hours=1)
PAIR = TriggerDefinition.from_config(
    {
        "name": "pair",
        "distinguished_by": ["instance"],
        "match_criteria": [
            {"event_type": ["vm.begin", "vm.end"]},
            {"event_type": "vm.late", "opens": False},
        ],
        "fire_criteria": [{"event_type": "vm.end"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "report",
    },
    {},
)
STREAM = make_stream_record(
    id=7,
    name="pair",
    expire_timestamp=NOON + HOUR,
    event_count=2,
    fingerprint=PAIR.fingerprint,
)
PROGRESS = CriterionProgress("event type 'vm.end'", 1, 3, (), counted_ids=frozenset({"end"}))
EVENTS = [make_event("begin", "vm.begin"), make_event("end", "vm.end", 60)]


def timeline_of(
    changes: dict[str, Any] | None = None, *, shares_clock: bool = True, **known: Any
) -> Timeline:
    situation: dict[str, Any] = {
        "stream": replace(STREAM, **(changes or {})),
        "definition": PAIR,
        "progress": [PROGRESS],
        "successors": [],
        "stored_events": 2,
        "now": at(600),
        "real_now": at(900),
    }
    made = StreamSituation(**(situation | known))
    return stream_timeline(made, EVENTS, prefix="/ops", shares_clock=shares_clock)


def deadlines_of(timeline: Timeline) -> list[tuple[DeadlineKind, str, datetime]]:
    return [(each.kind, each.label, each.at) for each in timeline.deadlines]


# --- marks ----------------------------------------------------------------------------------------


def test_events_count_for_criteria_or_only_join() -> None:
    begin, end = timeline_of().marks
    assert (begin.kind, begin.criteria) == (MarkKind.JOINS, ())
    assert (end.kind, end.criteria, end.at) == (MarkKind.COUNTS, (1,), at(60))
    assert end.href == "/ops/events/end"


def test_an_event_that_cancels_is_marked() -> None:
    canceller = CancellingEvent(at(60), "end", "vm.end")
    members = MemberExplanation(EVENTS, (), canceller, None)
    assert [each.kind for each in timeline_of(members=members).marks] == [
        MarkKind.JOINS,
        MarkKind.CANCELS,
    ]


def test_an_event_that_does_not_count_has_the_reason() -> None:
    late = make_event("late", "vm.late", -60)
    situation = StreamSituation(STREAM, PAIR, [PROGRESS], [], 2, at(600), at(600))
    timeline = stream_timeline(situation, [late, EVENTS[1]], prefix="", shares_clock=True)
    assert [each.kind for each in timeline.marks] == [MarkKind.IGNORED, MarkKind.COUNTS]
    assert timeline.marks[0].reason.startswith("it opens no stream, and is older than the first")


def test_without_a_definition_all_events_join() -> None:
    timeline = timeline_of(definition=None, progress=())
    assert {each.kind for each in timeline.marks} == {MarkKind.JOINS}
    assert list(timeline.criteria) == []


def test_older_events_that_were_not_read_are_counted() -> None:
    assert timeline_of(stored_events=100_000).omitted == 99_998
    assert timeline_of(stored_events=0).omitted == 0


# --- criteria -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "1 of 3"),
        ({"within": "10m"}, "1 of 3 within 10m"),
        ({"counts": "sum of bytes", "has": 1_323_540_995, "needs": 5_000_000_000},
         "1,323,540,995 of 5,000,000,000 (sum of bytes)"),
        ({"counts": "sum of bytes", "has": 1_323_540_995.256, "needs": 2.5},
         "1,323,540,995.26 of 2.5 (sum of bytes)"),
        ({"counts": "sum of bytes", "has": 10**400, "needs": 0.0001},
         "1.00000E+400 of 0.0001 (sum of bytes)"),
        ({"counts": "different values of address", "within": "1h"},
         "1 of 3 different values of address within 1h"),
    ],
)  # fmt: skip
def test_progress_is_written_whole(changes: dict[str, Any], text: str) -> None:
    (lane,) = timeline_of(progress=[replace(PROGRESS, **changes)]).criteria
    assert lane.progress.casefold() == text.casefold()


def test_the_criteria_of_a_cancelled_stream_are_not_met() -> None:
    changes = {"decision": Decision.CANCELLED, "fire_timestamp": at(60)}
    (lane,) = timeline_of(changes, progress=[replace(PROGRESS, has=3)]).criteria
    assert (lane.progress, lane.is_met) == ("3 of 3 before it was cancelled", False)


# --- deadlines ------------------------------------------------------------------------------------

FIRED = {"fire_timestamp": at(60)}
NOW = (DeadlineKind.NOW, "now", at(600))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(DeadlineKind.EXPIRE, "expires", NOON + HOUR), NOW]),
        ({"expire_timestamp": at(30)}, [(DeadlineKind.EXPIRE, "due to expire", at(30)), NOW]),
        ({"expire_timestamp": at(30), "state": StreamState.EXPIRE_ERROR},
         [(DeadlineKind.EXPIRE, "due to expire", at(30)), NOW]),
        ({"expire_timestamp": at(30), "state": StreamState.COMPLETED},
         [(DeadlineKind.EXPIRE, "expired", at(30))]),
        ({"fire_timestamp": at(700)}, [(DeadlineKind.FIRE, "fires", at(700)), NOW]),
        (FIRED, [(DeadlineKind.FIRE, "due to fire", at(60)), NOW]),
        (FIRED | {"state": StreamState.ERROR}, [(DeadlineKind.FIRE, "due to fire", at(60)), NOW]),
        (FIRED | {"state": StreamState.COMPLETED}, [(DeadlineKind.FIRE, "fired", at(60))]),
        (FIRED | {"decision": Decision.CANCELLED}, [(DeadlineKind.CANCEL, "cancelled", at(60)),
         NOW]),
        (FIRED | {"decision": Decision.SUPPRESSED, "state": StreamState.COMPLETED},
         [(DeadlineKind.FIRE, "suppressed", at(60))]),
        (FIRED | {"state": StreamState.RETRY_FIRE, "retry_at": at(960)},
         [(DeadlineKind.FIRE, "due to fire", at(60)), NOW,
          (DeadlineKind.RETRY, "next attempt", at(960))]),
    ],
)  # fmt: skip
def test_deadlines_are_those_that_matter(changes: dict[str, Any], expected: list[Any]) -> None:
    assert deadlines_of(timeline_of(changes)) == expected


def test_without_stream_time_nothing_is_due_yet() -> None:
    timeline = timeline_of({"expire_timestamp": at(30)}, now=None)
    assert deadlines_of(timeline) == [(DeadlineKind.EXPIRE, "expires", at(30))]


def test_the_next_attempt_is_not_on_the_axis_of_another_clock() -> None:
    changes = FIRED | {"state": StreamState.RETRY_FIRE, "retry_at": at(960)}
    timeline = timeline_of(changes, shares_clock=False)
    assert [each.kind for each in timeline.deadlines] == [DeadlineKind.FIRE, DeadlineKind.NOW]


# --- windows and silences -------------------------------------------------------------------------

WINDOW = WindowProgress(2, at(900), None, frozenset({at(0), at(60)}))
WINDOWED = replace(PROGRESS, window=WINDOW, within="15m")


def test_a_window_has_a_period_and_an_end_for_all_its_criteria() -> None:
    timeline = timeline_of(progress=[WINDOWED, PROGRESS, WINDOWED])
    assert deadlines_of(timeline)[1] == (
        DeadlineKind.WINDOW,
        "criteria 1, 3: oldest event counts until",
        at(900),
    )
    first, second = timeline.periods
    assert (first.begins_at, first.ends_at) == (at(0), at(900))
    assert (first.label, second.label) == ("criterion 1: within 15m", "criterion 3: within 15m")


@pytest.mark.parametrize("changes", [FIRED, {"is_open": False}])
def test_a_window_has_no_end_once_it_does_not_matter(changes: dict[str, Any]) -> None:
    timeline = timeline_of(changes, progress=[WINDOWED])
    assert DeadlineKind.WINDOW not in {each.kind for each in timeline.deadlines}


SUPPRESSED = FIRED | {"decision": Decision.SUPPRESSED, "state": StreamState.COMPLETED}


@pytest.mark.parametrize(
    ("changes", "stream_id", "until", "is_drawn"),
    [
        (SUPPRESSED, 3, at(300), True),
        (SUPPRESSED, 9, at(300), False),  # a later stream
        ({}, 3, at(700), True),
        ({}, 3, at(300), False),  # over
        (FIRED, 7, at(700), False),  # its own
        (FIRED, 3, at(700), False),
    ],
)
def test_a_silence_is_drawn_if_it_suppresses(
    changes: dict[str, Any], stream_id: int, until: datetime, is_drawn: bool
) -> None:
    silence = GroupSilence(stream_id, at(-60), until)
    found = [each.label for each in timeline_of(changes, silence=silence).periods]
    assert found == ([f"silence after stream {stream_id}"] if is_drawn else [])


# --- states ---------------------------------------------------------------------------------------

HISTORY = (
    StateChange(at(100), StreamState.FIRING, "w1"),
    StateChange(at(101), StreamState.RETRY_FIRE),
    StateChange(at(200), StreamState.FIRING, "w2"),
)
CLAIMED = FIRED | {"history": HISTORY, "attempts": 2}


def states_of(timeline: Timeline) -> list[tuple[datetime, str, str, bool]]:
    return [(each.at, each.state, each.note, each.has_failed) for each in timeline.states]


@pytest.mark.parametrize(
    ("state", "has_failed"),
    [
        (StreamState.FIRING, False),
        (StreamState.RETRY_FIRE, True),
        (StreamState.ERROR, True),
        (StreamState.COMPLETED, False),
    ],
)
def test_attempts_are_marked_if_they_failed(state: StreamState, has_failed: bool) -> None:
    timeline = timeline_of(CLAIMED | {"state": state})
    assert states_of(timeline) == [
        (NOON, "active", "", False),
        (at(100), "firing", "w1", True),
        (at(101), "retry_fire", "", False),
        (at(200), "firing", "w2", has_failed),
    ]


def test_a_cut_history_does_not_pretend_that_the_stream_was_active() -> None:
    timeline = timeline_of(CLAIMED | {"state": StreamState.FIRING, "attempts": 40})
    assert timeline.states[0].state == EARLIER_STATES


def test_events_of_another_clock_say_nothing_of_the_states() -> None:
    timeline = timeline_of(CLAIMED | {"state": StreamState.FIRING}, shares_clock=False)
    assert [each.state for each in timeline.states] == ["firing", "retry_fire", "firing"]
    assert timeline.states_until == at(900)
    assert timeline.now == at(600)


def test_events_that_are_newer_than_the_states_do_not_precede_them() -> None:
    timeline = timeline_of(CLAIMED | {"state": StreamState.FIRING, "first_event": at(150)})
    assert timeline.states[0].at == at(100)


def test_the_last_state_lasts_until_now_unless_it_is_final() -> None:
    assert timeline_of().states_until == at(600)
    assert timeline_of(now=None).states_until == at(900)
    final = timeline_of({"state": StreamState.COMPLETED})
    assert (final.states_until, final.now) == (None, None)
