"""Missing and hostile values in messages for the ready mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.builders.ready_mappings import SAMPLES, Sample, samples_of
from winchester_core.errors import InvalidEvent
from winchester_core.model.event import clean_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.model import Event

HOSTILE: list[Any] = [
    None,
    "",
    "text\0with NUL \ud800",
    "x" * 70_000,
    -(10**400),
    1e308,
    True,
    [],
    [[["deep"]]],
    {},
    {"id": {"id": "x"}, "status": [], "*": 1},
    "0000-00-00T00:00:00Z",
]


@pytest.mark.parametrize(
    ("name", "index", "missing", "reason"),
    [
        ("github", 0, "X-GitHub-Event", "none of the 23 rules of the mapping github"),
        ("github", 0, "X-GitHub-Delivery", "no value at _headers.x-github-delivery"),
        ("github", 0, "updated_at", "no value at pull_request.updated_at"),
        ("github", 0, "action", "no value at action$"),
        ("github", 12, "pushed_at", "no value at repository.pushed_at"),
        ("gitlab", 0, "updated_at", "no value at object_attributes.updated_at"),
        ("gitlab", 6, "status", "no value at object_attributes.status"),
        ("alertmanager", 0, "fingerprint", "no value at fingerprint "),
        ("alertmanager", 0, "status", r"alertmanager\[0\].rules: none of them matches"),
        ("alertmanager", 3, "endsAt", "no value at endsAt "),
        ("kubernetes", 3, "uid", r"kubernetes\[2\].rules: none of them matches"),
        ("kubernetes", 0, "resourceVersion", "no value at metadata.resourceVersion$"),
        ("docker", 0, "timeNano", "no value at timeNano"),
        ("docker", 0, "Action", "no value at _traits.action"),
        ("journald", 0, "__CURSOR", "no value at __CURSOR"),
        ("journald", 1, "__REALTIME_TIMESTAMP", "no value at __REALTIME_TIMESTAMP"),
        ("cloudtrail", 0, "eventID", r"no value at eventID \(element 0 of Records\)"),
        ("cloudtrail", 1, "eventSource", r"no value at _traits.service "),
        ("cloudtrail", 1, "eventName", r"cloudtrail\[1\].rules: none of them matches"),
        ("eventbridge", 0, "id", "no value at id"),
        ("keystone", 2, "eventTime", "no value at payload.eventTime"),
        ("stripe", 0, "created", "no value at created"),
        ("stripe", 0, "type", "no value at type"),
        ("sentry", 1, "Sentry-Hook-Timestamp", "no value at _headers.sentry-hook-timestamp"),
        ("sentry", 2, "Request-ID", "no value at _headers.request-id"),
        ("sentry", 3, "event_id", "no value at data.error.event_id"),
    ],
)
def test_the_reason_names_the_missing_value(
    name: str, index: int, missing: str, reason: str
) -> None:
    with pytest.raises(InvalidEvent, match=reason):
        samples_of(name)[index].without(missing).events()


@pytest.mark.parametrize(
    ("sample", "path", "value", "reason"),
    [
        ("github-0", ("pull_request", "updated_at"), "yesterday", "not an RFC 3339 date"),
        ("github-0", ("action",), "x" * 300, "event_type"),
        ("github-12", ("repository", "pushed_at"), 10**15, "not a number of seconds since 1970"),
        ("journald-0", ("__REALTIME_TIMESTAMP",), [1], "not a number of microseconds"),
        ("docker-0", ("timeNano",), True, "not a number of nanoseconds"),
        ("keystone-0", ("oslo.message",), "{", r"keystone\[2\].split: is not JSON"),
        ("cloudtrail-0", ("Records", 1), 7, r"none of them matches.*\(element 1 of Records\)"),
        ("alertmanager-0", ("alerts",), {"status": "x"}, "none of them matches"),
        ("stripe-0", ("id",), {"a": 1}, "message_id"),
    ],
)
def test_the_reason_describes_an_invalid_value(
    sample: str, path: tuple[str | int, ...], value: Any, reason: str
) -> None:
    (chosen,) = (each for each in SAMPLES if str(each) == sample)

    with pytest.raises(InvalidEvent, match=reason):
        chosen.changed(path, value).events()


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_hostile_values_make_valid_events_or_a_reason(sample: Sample) -> None:
    for number, path in enumerate(_paths(sample.body)):
        for step in range(3):
            value = HOSTILE[(number + 5 * step) % len(HOSTILE)]
            events, reason = _outcome(sample.changed(path, value))
            assert len(reason) < 2_000
            for event in events:
                assert clean_event(event) == (event, ())


def _outcome(sample: Sample) -> tuple[list[Event], str]:
    """Return the events of a sample, or the reason why it is invalid."""
    try:
        return [clean.event for clean in sample.events()], ""
    except InvalidEvent as error:
        return [], str(error)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all values in a body."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _paths(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _paths(each, (*path, index))
