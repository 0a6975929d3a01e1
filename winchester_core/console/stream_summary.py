"""Summary of a stream's page: its situation in one sentence, and the next steps of an operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from winchester_core.console.paths import event_path
from winchester_core.console.shown_text import shown
from winchester_core.console.shown_values import count_of, error_line, progress_numbers
from winchester_core.inspection.values import duration_text, iso_text
from winchester_core.model.stream import (
    CLAIMED_STATES,
    ERROR_STATES,
    Decision,
    StreamOutcome,
    StreamState,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.inspection.stream_reasons import StreamSituation

PROMPT_WAIT: Final = timedelta(minutes=1)
"""Longest time for which a ready stream waits for a worker without cause for concern."""

ERROR_LENGTH: Final = 300
CRITERION_LENGTH: Final = 120


@dataclass(frozen=True, slots=True)
class NextStep:
    """Step that an operator can take, the address of the page for it, and the text of the link."""

    text: str
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """Situation of a stream in one sentence. `kind` is that of a notice, for its colour."""

    kind: str
    text: str
    steps: tuple[NextStep, ...]


def summarize_stream(
    situation: StreamSituation, *, prefix: str, shares_clock: bool, dead_effects: int = 0
) -> StreamSummary:
    """Return the summary of a stream with this number of dead letters.

    `prefix` is the path prefix of links. `shares_clock` is true if stream time is real time.
    """
    kind, text = _situation(situation)
    steps = list(_steps(situation, prefix, shares_clock=shares_clock))
    if dead_effects:
        plural = "effect was" if dead_effects == 1 else "effects were"
        kind = "error"
        text += f"; {dead_effects} {plural} not delivered"
        href = f"{prefix}/outbox?stream={situation.stream.id}"
        steps.append(
            NextStep("Correct what refuses its effects, then retry them.", href, "Show effects")
        )
    return StreamSummary(kind, text, tuple(steps))


def _situation(situation: StreamSituation) -> tuple[str, str]:
    """Return the kind of the situation, and its sentence."""
    stream, real_now = situation.stream, situation.real_now
    error = shown(error_line(stream.last_error or ""), ERROR_LENGTH)
    if stream.state in ERROR_STATES:
        times = count_of(stream.attempts, "attempt")
        return "error", f"It failed, after {times}" + (f": {error}" if error else "")
    if stream.state in CLAIMED_STATES:
        attempt = f"Attempt {stream.attempts} runs on worker {shown(stream.worker, 120)}"
        if stream.lease_until is None or stream.lease_until > real_now:
            return "active", attempt
        since = duration_text(real_now - stream.lease_until)
        return "warning", f"{attempt}, whose lease ended {since} ago: another worker takes over"
    if stream.state is StreamState.COMPLETED:
        return _completed(situation)
    if stream.state is StreamState.ACTIVE:
        return _active(situation)
    failed = f"Attempt {stream.attempts} failed" + (f": {error}" if error else "")
    if stream.retry_at is not None and stream.retry_at > real_now:
        wait = duration_text(stream.retry_at - real_now)
        return "warning", f"{failed}. The next attempt is in {wait}"
    return "warning", f"{failed}. The next attempt waits for a worker"


def _completed(situation: StreamSituation) -> tuple[str, str]:
    stream = situation.stream
    match stream.outcome:
        case StreamOutcome.FIRED:
            return "ok", f"It has fired, due {iso_text(stream.fire_timestamp)}"
        case StreamOutcome.CANCELLED:
            return "active", f"It was cancelled at {iso_text(stream.fire_timestamp)}"
        case StreamOutcome.SUPPRESSED:
            return "active", "It was suppressed: its criteria were met while its group was silent"
        case _:
            met = _met(situation)
            reason = f": {met}" if met else ""
            return "active", f"It expired, due {iso_text(stream.expire_timestamp)}{reason}"


def _active(situation: StreamSituation) -> tuple[str, str]:
    stream = situation.stream
    if stream.decision is Decision.CANCELLED:
        cause, future, due = "An event cancelled it: it", "is completed", "be completed"
    elif stream.decision is Decision.SUPPRESSED:
        cause, future, due = "It is suppressed: it", "is completed", "be completed"
    elif stream.fire_timestamp is not None:
        cause, future, due = "Its fire criteria are met: it", "fires", "fire"
    else:
        met = _met(situation)
        cause = f"{met[0].upper()}{met[1:]}; it" if met else "It"
        future, due = "expires", "expire"
    due_at = stream.fire_timestamp or stream.expire_timestamp
    missing = _missing(situation) if stream.fire_timestamp is None else ""
    now = situation.now
    if now is None:
        return "active", f"{cause} {future} at {iso_text(due_at)}{missing}"
    if due_at > now:
        return "active", f"{cause} {future} in {duration_text(due_at - now)}{missing}"
    waited = now - due_at
    kind = "warning" if waited > PROMPT_WAIT else "active"
    waiting = f", and has waited {duration_text(waited)} for a worker"
    return kind, f"{cause} is due to {due}{waiting}{missing}"


def _met(situation: StreamSituation) -> str:
    """Return how many criteria are met, as a clause; empty if all are, or if it is unknown."""
    number = len(situation.progress)
    met = sum(each.is_met for each in situation.progress)
    if situation.definition is None or met == number:
        return ""
    if number == 1:
        return "its fire criterion is not met"
    if not met:
        return f"none of its {number} fire criteria is met"
    return f"{met} of its {number} fire criteria {'is' if met == 1 else 'are'} met"


def _missing(situation: StreamSituation) -> str:
    """Return a sentence on the first criterion that is not met, to append to another."""
    for number, each in enumerate(situation.progress, start=1):
        if not each.is_met:
            numbers = progress_numbers(each.has, each.needs, each.counts, each.within)
            return f". Criterion {number} has {numbers}: {shown(each.criterion, CRITERION_LENGTH)}"
    return ""


def _steps(situation: StreamSituation, prefix: str, *, shares_clock: bool) -> Iterator[NextStep]:
    stream = situation.stream
    if stream.state is StreamState.COMPLETED:
        return
    if situation.definition is None:
        yield NextStep(
            f"Configure the trigger {shown(stream.name, 120)} again, or delete the stream: no "
            "worker without this trigger takes it.",
            f"{prefix}/triggers",
            "Show triggers",
        )
    if stream.state in ERROR_STATES:
        yield NextStep("Correct the cause of the error, then reset the stream to try it again.")
    elif _waits_for_worker(situation):
        yield NextStep(
            "Check that workers run, and that they have the trigger and are not behind.",
            f"{prefix}/site",
            "Show processes",
        )
    elif stream.state is StreamState.ACTIVE:
        yield from _steps_of_active(situation, prefix, shares_clock=shares_clock)


def _steps_of_active(
    situation: StreamSituation, prefix: str, *, shares_clock: bool
) -> Iterator[NextStep]:
    stream = situation.stream
    if stream.fire_timestamp is None and stream.is_open:
        for number, each in enumerate(situation.progress, start=1):
            near = next((other for other in each.mismatches if other.type_matches), None)
            if near is not None and not each.is_met:
                yield NextStep(
                    f"Compare criterion {number} with an event that does not count for it.",
                    prefix + event_path(near.message_id),
                    "Show the event",
                )
                break
    if not shares_clock:
        yield NextStep("Stream time follows the events: nothing is due before the next event.")


def _waits_for_worker(situation: StreamSituation) -> bool:
    """Return whether the stream is ready, and has waited for a worker for long."""
    stream = situation.stream
    if stream.state in CLAIMED_STATES:
        return stream.lease_until is not None and (
            situation.real_now - stream.lease_until > PROMPT_WAIT
        )
    if stream.state is StreamState.ACTIVE:
        due_at = stream.fire_timestamp or stream.expire_timestamp
        return situation.now is not None and situation.now - due_at > PROMPT_WAIT
    return stream.retry_at is None or situation.real_now - stream.retry_at > PROMPT_WAIT
