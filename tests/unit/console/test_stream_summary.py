"""Summary of a stream: the sentence for each state, and the next steps of an operator."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, VM, at
from support.builders.stream_records import make_stream_record
from winchester_core.console.stream_summary import summarize_stream
from winchester_core.inspection.stream_reasons import StreamSituation
from winchester_core.model.stream import Decision, StateChange, StreamState
from winchester_core.triggers.progress_explanation import CriterionProgress, Mismatch

if TYPE_CHECKING:
    from winchester_core.console.stream_summary import StreamSummary

HOUR = timedelta(hours=1)
STREAM = make_stream_record(id=7, name="vm", expire_timestamp=NOON + HOUR)
MET = CriterionProgress("event type 'vm.begin'", 1, 1, ())
MISSING = CriterionProgress("event type 'vm.end'", 0, 1, ())
ERROR = (
    "Traceback (most recent call last):\n"
    "winchester_core.errors.HandlerFailed: pipeline 'p', handler 'h': ValueError: refused\n"
)
DUE = {"fire_timestamp": NOON}
CLAIM = DUE | {"state": StreamState.FIRING, "attempts": 2, "worker": "w1"}
RETRY = DUE | {"state": StreamState.RETRY_FIRE, "attempts": 2, "last_error": ERROR}
COMPLETED = {"state": StreamState.COMPLETED}


def summary_of(
    changes: dict[str, Any] | None = None,
    *,
    shares_clock: bool = True,
    dead_effects: int = 0,
    **known: Any,
) -> StreamSummary:
    situation: dict[str, Any] = {
        "stream": replace(STREAM, **(changes or {})),
        "definition": VM,
        "progress": [MET, MISSING],
        "successors": [],
        "stored_events": 1,
        "now": at(600),
        "real_now": at(600),
    }
    return summarize_stream(
        StreamSituation(**(situation | known)),
        prefix="/ops",
        shares_clock=shares_clock,
        dead_effects=dead_effects,
    )


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({}, "active",
         ("1 of its 2 fire criteria is met; it expires in 50m. Criterion 2 has 0 of 1: event type "
          "'vm.end'")),
        ({"expire_timestamp": NOON}, "warning",
         ("1 of its 2 fire criteria is met; it is due to expire, and has waited 10m for a worker. "
          "Criterion 2 has 0 of 1: event type 'vm.end'")),
        ({"fire_timestamp": at(660)}, "active", "Its fire criteria are met: it fires in 1m"),
        ({"fire_timestamp": at(590)}, "active",
         "Its fire criteria are met: it is due to fire, and has waited 10s for a worker"),
        (DUE, "warning",
         "Its fire criteria are met: it is due to fire, and has waited 10m for a worker"),
        (DUE | {"decision": Decision.CANCELLED, "fire_timestamp": at(660)}, "active",
         "An event cancelled it: it is completed in 1m"),
        (DUE | {"decision": Decision.SUPPRESSED}, "warning",
         "It is suppressed: it is due to be completed, and has waited 10m for a worker"),
        (CLAIM | {"lease_until": at(700)}, "active", "Attempt 2 runs on worker w1"),
        (CLAIM | {"lease_until": at(540)}, "warning",
         "Attempt 2 runs on worker w1, whose lease ended 1m ago: another worker takes over"),
        (RETRY | {"retry_at": at(630)}, "warning",
         ("Attempt 2 failed: pipeline 'p', handler 'h': ValueError: refused. The next attempt is "
         "in 30s")),
        (RETRY | {"last_error": None}, "warning",
         "Attempt 2 failed. The next attempt waits for a worker"),
        (RETRY | {"state": StreamState.ERROR}, "error",
         "It failed, after 2 attempts: pipeline 'p', handler 'h': ValueError: refused"),
        (COMPLETED | DUE, "ok", "It has fired, due 2024-05-17T12:00:00+00:00"),
        (COMPLETED, "active",
         "It expired, due 2024-05-17T13:00:00+00:00: 1 of its 2 fire criteria is met"),
        (COMPLETED | DUE | {"decision": Decision.CANCELLED}, "active",
         "It was cancelled at 2024-05-17T12:00:00+00:00"),
        (COMPLETED | DUE | {"decision": Decision.SUPPRESSED}, "active",
         "It was suppressed: its criteria were met while its group was silent"),
    ],
)  # fmt: skip
def test_the_situation_is_one_sentence(changes: dict[str, Any], kind: str, text: str) -> None:
    summary = summary_of(changes)
    assert (summary.kind, summary.text) == (kind, text)


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ([MISSING], "Its fire criterion is not met; it"),
        ([MISSING, MISSING], "None of its 2 fire criteria is met; it"),
        ([MET, MET, MISSING], "2 of its 3 fire criteria are met; it"),
        ([MET], "It expires"),
    ],
)
def test_the_criteria_are_counted(progress: list[CriterionProgress], text: str) -> None:
    assert summary_of(progress=progress).text.startswith(text)


def test_a_stream_that_never_fires_has_no_missing_criteria() -> None:
    assert summary_of(progress=[]).text == "It expires in 50m"
    assert summary_of(definition=None, progress=[]).text == "It expires in 50m"


def test_without_stream_time_the_due_time_is_named() -> None:
    assert summary_of(now=None, progress=[]).text == "It expires at 2024-05-17T13:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        (RETRY | {"state": StreamState.ERROR}, "Correct the cause of the error"),
        (DUE, "Check that workers run"),
        (RETRY | {"retry_at": NOON}, "Check that workers run"),
        (CLAIM | {"lease_until": NOON}, "Check that workers run"),
    ],
)
def test_what_needs_an_operator_has_a_step(changes: dict[str, Any], step: str) -> None:
    (found,) = summary_of(changes).steps
    assert found.text.startswith(step)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fire_timestamp": at(590)},
        CLAIM | {"lease_until": at(700)},
        RETRY | {"retry_at": at(630)},
        COMPLETED | {"history": (StateChange(NOON, StreamState.EXPIRING, "w1"),)},
    ],
)
def test_what_runs_by_itself_has_no_step(changes: dict[str, Any]) -> None:
    assert summary_of(changes).steps == ()


def test_a_removed_trigger_is_the_first_step() -> None:
    first, *_ = summary_of(DUE, definition=None, progress=[]).steps
    assert first.text.startswith("Configure the trigger vm again, or delete the stream")
    assert first.href == "/ops/triggers"


def test_an_event_that_nearly_counts_is_linked() -> None:
    near = Mismatch("trait 'size' is missing", 2, "a/b", type_matches=True)
    other = Mismatch("another type", 2, "other", type_matches=False)
    missing = replace(MISSING, mismatches=(other, near))
    (step,) = summary_of(progress=[MET, missing]).steps
    assert step.text == "Compare criterion 2 with an event that does not count for it."
    assert step.href == "/ops/events/a%2Fb"
    assert summary_of(progress=[replace(MET, mismatches=(near,)), MISSING]).steps == ()


def test_on_the_event_clock_only_an_event_makes_something_due() -> None:
    (step,) = summary_of(shares_clock=False).steps
    assert step.text == "Stream time follows the events: nothing is due before the next event."


@pytest.mark.parametrize(("number", "text"), [(1, "1 effect was"), (3, "3 effects were")])
def test_effects_that_were_not_delivered_are_part_of_it(number: int, text: str) -> None:
    summary = summary_of(COMPLETED | DUE, dead_effects=number)
    assert summary.kind == "error"
    assert summary.text.endswith(f"; {text} not delivered")
    assert [each.href for each in summary.steps] == ["/ops/outbox?stream=7"]
