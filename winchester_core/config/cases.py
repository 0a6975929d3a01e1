"""Test cases of triggers: records, schema of the file, and reading.

The attribute `place` of a record is its position: `file:line`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from voluptuous import All, Length, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.config.errors import INVALID, ProblemReport, validate
from winchester_core.config.validators import (
    boolean,
    file_path,
    one_of,
    text,
    text_list,
    whole_number,
)
from winchester_core.config.yaml import read_yaml
from winchester_core.interfaces.json_schema import json_schema
from winchester_core.interfaces.mapping_names import mapping_names
from winchester_core.interfaces.params import UnexpectedValue, duration, expected, optional
from winchester_core.model.event import parse_timestamp, to_utc
from winchester_core.model.stream import Reason, StreamOutcome, StreamState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from winchester_core.config.document import Document, DocumentPath, Mark

ExpectedKind: TypeAlias = Literal["streams", "runs", "new_events", "effects"]
InputKind: TypeAlias = Literal["events", "notifications", "messages"]
"""Messages are JSON of any form, of which mappings make events."""

EXPECTED_KINDS: tuple[ExpectedKind, ...] = ("streams", "runs", "new_events", "effects")
"""Kinds of expected items, in the order in which differences are reported."""


@dataclass(frozen=True, slots=True)
class ExpectedItem:
    """An expected item: its expected fields, and its position (`file:line`)."""

    fields: Mapping[str, Any]
    place: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected results at a point of a case.

    `exact` lists all items of a kind. `including` lists items that must exist; others may exist
    too.
    """

    exact: Mapping[ExpectedKind, Sequence[ExpectedItem]]
    including: Mapping[ExpectedKind, Sequence[ExpectedItem]]
    counts: Mapping[str, int]
    place: str


@dataclass(frozen=True, slots=True)
class InputBatch:
    """Events, notifications or messages that arrive in one batch.

    Messages have the names of their `mappings`, and all of them these `headers`.
    """

    kind: InputKind
    items: Sequence[Mapping[str, Any]]
    place: str
    mappings: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of messages of a kind; the worker runs after each `every` of stream time."""

    kind: InputKind
    path: Path
    every: timedelta
    datetime_traits: tuple[str, ...]
    place: str
    mappings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdvanceTime:
    """Advance of stream time, by a duration or to a time."""

    to: timedelta | datetime
    place: str


Step: TypeAlias = InputBatch | InputFile | AdvanceTime | Expectation
"""An input, an advance of time, or a check."""


@dataclass(frozen=True, slots=True)
class Case:
    """Test case. `start` is its first stream time (None: the time of the first event)."""

    name: str
    start: datetime | None
    steps: tuple[Step, ...]
    place: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of cases. `config` is the path of its configuration, or None."""

    path: Path
    config: Path | None
    cases: tuple[Case, ...]


INPUT_KINDS: tuple[InputKind, ...] = ("events", "notifications", "messages")
STREAM_OUTCOMES = tuple(each.value for each in StreamOutcome)
STEP_ACTIONS = ("events", "notifications", "messages", "advance", "advance_to", "expect")
COUNT_KEYS = (
    *("streams", *STREAM_OUTCOMES),
    *("runs", "new_events", "effects"),
    *("stored", "duplicates", "rejected", "dropped"),
)


@json_schema(type="string", title="time", examples=["2026-03-02T09:00:00Z"])
def utc_time(value: Any) -> datetime:
    """Convert a time to aware UTC; UTC is the default offset, a date is its midnight."""
    try:
        match value:
            case datetime():
                return to_utc(value)
            case date():
                return datetime(value.year, value.month, value.day, tzinfo=UTC)
            case str():
                return parse_timestamp(value, date_only=True)
    except ValueError:
        pass  # reported below, as for other types
    raise UnexpectedValue("expected a time (ISO 8601, as in 2026-03-02T09:00:00Z)")


@json_schema(AnyOf(text, [{str: object}]), title="file, or a list of them")
def file_or_items(value: Any) -> Any:
    """Check that the value is the name of a file, or a list of mappings."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return value
    raise UnexpectedValue("expected the name of a file, or a list of mappings")


nonempty_mapping = expected("a mapping with at least one key", All(dict, Length(min=1)))

STREAM_SCHEMA = Schema(
    {
        Optional("trigger", description="the trigger's name"): text,
        Optional("distinguished_by", description="all distinguishing values"): dict,
        Optional("outcome", description="outcome of the stream"): one_of(*STREAM_OUTCOMES),
        Optional("state", description="state of the stream"): one_of(
            *(each.value for each in StreamState)
        ),
        Optional("events", description="ids of the events, by time"): [text],
        Optional("event_count", description="number of events"): whole_number(0),
        Optional("first_event", description="time of the first event"): utc_time,
        Optional("last_event", description="time of the last event"): utc_time,
        Optional("fire_timestamp", description="time to fire, or null"): optional(utc_time),
        Optional("expire_timestamp", description="time to expire"): utc_time,
        Optional("error", description="text that the last error contains"): text,
    }
)
RUN_SCHEMA = Schema(
    {
        Optional("trigger", description="the trigger's name"): text,
        Optional("distinguished_by", description="all distinguishing values"): dict,
        Optional("pipeline", description="the pipeline's name"): text,
        Optional("reason", description="fire, expire or cancel"): one_of(
            *(each.value for each in Reason)
        ),
        Optional("events", description="ids of the events, by time"): [text],
        Optional("succeeded", description="whether all handlers succeeded"): boolean,
        Optional("error", description="text that the error contains"): text,
    }
)
EFFECT_SCHEMA = Schema(
    {
        Optional("trigger", description="the trigger's name"): text,
        Optional("pipeline", description="the pipeline's name"): text,
        Optional(
            "handler",
            description=(
                "the handler's name in the pipeline, with the receiver if there are several"
            ),
        ): text,
        Optional("payload", description="the queued payload"): object,
    }
)
EXPECTED_FIELDS: dict[Any, Any] = {
    Optional("streams", description="all streams"): [All(nonempty_mapping, STREAM_SCHEMA)],
    Optional("runs", description="all runs of pipelines"): [All(nonempty_mapping, RUN_SCHEMA)],
    Optional(
        "new_events",
        description="all events that handlers created; each may be given by some of its keys",
    ): [nonempty_mapping],
    Optional("effects", description="all effects that handlers queued"): [
        All(nonempty_mapping, EFFECT_SCHEMA)
    ],
}
EXPECT_SCHEMA = Schema(
    All(
        nonempty_mapping,
        {
            **EXPECTED_FIELDS,
            Optional(
                "including", description="items that must be present; others are allowed"
            ): All(nonempty_mapping, EXPECTED_FIELDS),
            Optional("counts", description="number of items of each kind"): All(
                nonempty_mapping, {Optional(name): whole_number(0) for name in COUNT_KEYS}
            ),
        },
    )
)


@json_schema(minProperties=1)
def single_action(value: Any) -> Any:
    """Check that a step has exactly one action."""
    actions = [key for key in STEP_ACTIONS if key in value]
    if len(actions) != 1:
        raise UnexpectedValue(f"expected one of {', '.join(STEP_ACTIONS)} in a step")
    if ("messages" in value) != ("mapping" in value):
        raise UnexpectedValue("expected messages together with a mapping that makes events of them")
    if "headers" in value and not isinstance(value.get("messages"), list):
        raise UnexpectedValue("expected headers only for a list of messages")
    return value


STEP_SCHEMA = Schema(
    All(
        {
            Optional(
                "events", description="events, or the name of a file with events"
            ): file_or_items,
            Optional("notifications", description="notifications, or a file"): file_or_items,
            Optional(
                "messages", description="bodies of messages for a mapping, or a file"
            ): file_or_items,
            Optional(
                "mapping", description="for messages: a mapping, or a list of mappings"
            ): mapping_names,
            Optional("headers", description="for messages: their headers"): {text: text},
            Optional(
                "every", description="for a file: stream time between runs of the worker"
            ): duration(positive=True),
            Optional(
                "datetime_traits", description="for a file of events: names of datetime traits"
            ): (text_list),
            Optional("advance", description="duration by which stream time advances"): duration(
                positive=True
            ),
            Optional("advance_to", description="time to which stream time advances"): utc_time,
            Optional("expect", description="expected results at this point"): EXPECT_SCHEMA,
        },
        single_action,
    )
)
CASE_SCHEMA = Schema(
    {
        Required("name", description="unique in the file"): text,
        Optional("start", description="stream time at the start of the case"): utc_time,
        Required("steps", description="the steps, in order"): All([STEP_SCHEMA], Length(min=1)),
        Optional("expect", description="expected results at the end"): EXPECT_SCHEMA,
    }
)
CASES_SCHEMA = Schema(
    {
        Optional("config", description="path of the configuration, relative to this file"): text,
        Required("cases", description="the test cases"): All([CASE_SCHEMA], Length(min=1)),
    }
)

DEFAULT_WORKER_INTERVAL = timedelta(hours=1)


def read_case_files(
    paths: Iterable[Path], environ: Mapping[str, str] | None = None
) -> list[CaseFile]:
    """Read files of cases. Raises `ConfigurationError` with all problems in all files."""
    report = ProblemReport()
    files = [
        _read_case_file(path, report, os.environ if environ is None else environ) for path in paths
    ]
    report.raise_problems()
    return [file for file in files if file is not None]


def _read_case_file(
    path: Path, report: ProblemReport, environ: Mapping[str, str]
) -> CaseFile | None:
    document = read_yaml(path, report, environ)
    content = INVALID if document is None else validate(document, CASES_SCHEMA, report)
    if document is None or content is INVALID:
        return None
    _report_duplicates(document, content["cases"], report)
    reader = _CaseReader(document, path.parent, report)
    config = content.get("config")
    return CaseFile(
        path=path,
        config=None if config is None else reader.file(config, ("config",)),
        cases=tuple(
            reader.case(case, ("cases", index)) for index, case in enumerate(content["cases"])
        ),
    )


def _report_duplicates(
    document: Document, cases: Sequence[Mapping[str, Any]], report: ProblemReport
) -> None:
    seen: set[str] = set()
    for index, case in enumerate(cases):
        if case["name"] in seen:
            message = f"duplicate case {case['name']!r}: names must be unique in a file"
            report.add(document, ("cases", index, "name"), message)
        seen.add(case["name"])


class _CaseReader:
    """Converts a validated document to cases with positions."""

    def __init__(self, document: Document, base_directory: Path, report: ProblemReport) -> None:
        self._document, self._base_directory, self._report = document, base_directory, report

    def case(self, case: Mapping[str, Any], path: DocumentPath) -> Case:
        steps = [
            self._step(step, (*path, "steps", index)) for index, step in enumerate(case["steps"])
        ]
        if "expect" in case:
            steps.append(self._expectation(case["expect"], (*path, "expect")))
        start = case.get("start")
        if start is None:
            self._require_timestamps(case["steps"], (*path, "steps"))
        return Case(case["name"], start, tuple(steps), self._place((*path, "name")))

    def file(self, name: str, path: DocumentPath) -> Path:
        """Return the path of a named file, relative to the directory of the file of cases."""
        file = self._base_directory / file_path(name)
        try:
            file.stat()
        except (OSError, ValueError):  # also a name that no file can have
            self._report.add(self._document, path, f"there is no file {str(file)!r}")
        return file

    def _step(self, step: Mapping[str, Any], path: DocumentPath) -> Step:
        place = self._place(path)
        if "expect" in step:
            return self._expectation(step["expect"], (*path, "expect"))
        if "advance" in step or "advance_to" in step:
            return AdvanceTime(step.get("advance", step.get("advance_to")), place)
        kind: InputKind = next(each for each in INPUT_KINDS if each in step)
        items, mappings = step[kind], tuple(step.get("mapping", ()))
        if not isinstance(items, str):
            return InputBatch(kind, items, place, mappings, step.get("headers", {}))
        return InputFile(
            kind=kind,
            path=self.file(items, (*path, kind)),
            every=step.get("every", DEFAULT_WORKER_INTERVAL),
            datetime_traits=tuple(step.get("datetime_traits", ())),
            place=place,
            mappings=mappings,
        )

    def _require_timestamps(self, steps: Sequence[Mapping[str, Any]], path: DocumentPath) -> None:
        """Report events without a timestamp. If a case has no start, its events need timestamps."""
        for index, step in enumerate(steps):
            events = step.get("events")
            for number, event in enumerate(events if isinstance(events, list) else ()):
                if "timestamp" not in event:
                    message = "has no timestamp; add one, or add a start to the case"
                    self._report.add(self._document, (*path, index, "events", number), message)

    def _expectation(self, expect: Mapping[str, Any], path: DocumentPath) -> Expectation:
        including = expect.get("including", {})
        return Expectation(
            exact=self._items(expect, path),
            including=self._items(including, (*path, "including")),
            counts=expect.get("counts", {}),
            place=self._place(path),
        )

    def _items(
        self, expect: Mapping[str, Any], path: DocumentPath
    ) -> dict[ExpectedKind, Sequence[ExpectedItem]]:
        return {
            kind: [
                ExpectedItem(fields, self._place((*path, kind, index)))
                for index, fields in enumerate(expect[kind])
            ]
            for kind in EXPECTED_KINDS
            if kind in expect
        }

    def _place(self, path: DocumentPath) -> str:
        mark = cast("Mark", self._document.mark(path))
        return f"{self._document.name}:{mark.line}"
