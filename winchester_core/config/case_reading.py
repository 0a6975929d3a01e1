"""Reads files of cases, and checks them as configuration is checked."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from winchester_core.config.case_fields import CASES_SCHEMA
from winchester_core.config.cases import (
    KINDS,
    Advance,
    Case,
    CaseFile,
    Expectation,
    ExpectedItem,
    Given,
    GivenFile,
)
from winchester_core.config.report import Report
from winchester_core.config.validation import INVALID, validate
from winchester_core.config.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.config.cases import Input, Kind, Step
    from winchester_core.config.document import Document, Mark
    from winchester_core.config.document import Path as TreePath

WORKER_EVERY = timedelta(hours=1)


def read_case_files(
    paths: Iterable[Path], environ: Mapping[str, str] | None = None
) -> list[CaseFile]:
    """Read files of cases. Raises `ConfigurationError` with every problem of all of them."""
    report = Report()
    read = [_read(path, report, os.environ if environ is None else environ) for path in paths]
    report.close()
    return [each for each in read if each is not None]


def _read(path: Path, report: Report, environ: Mapping[str, str]) -> CaseFile | None:
    document = read_yaml(path, report, environ)
    content = INVALID if document is None else validate(document, CASES_SCHEMA, report)
    if document is None or content is INVALID:
        return None
    _report_duplicates(document, content["cases"], report)
    reader = _Reader(document, path.parent, report)
    config = content.get("config")
    return CaseFile(
        path=path,
        config=None if config is None else reader.file(config, ("config",)),
        cases=tuple(
            reader.case(case, ("cases", index)) for index, case in enumerate(content["cases"])
        ),
    )


def _report_duplicates(
    document: Document, cases: Sequence[Mapping[str, Any]], report: Report
) -> None:
    seen: set[str] = set()
    for index, case in enumerate(cases):
        if case["name"] in seen:
            message = f"there is a case {case['name']!r} already; names are unique in a file"
            report.add(document, ("cases", index, "name"), message)
        seen.add(case["name"])


class _Reader:
    """Makes what a checked document says into cases that know where they stand."""

    def __init__(self, document: Document, home: Path, report: Report) -> None:
        self._document, self._home, self._report = document, home, report

    def case(self, case: Mapping[str, Any], path: TreePath) -> Case:
        steps = [
            self._step(step, (*path, "steps", index)) for index, step in enumerate(case["steps"])
        ]
        if "expect" in case:
            steps.append(self._expectation(case["expect"], (*path, "expect")))
        start = case.get("start")
        if start is None:
            self._check_times(case["steps"], (*path, "steps"))
        return Case(case["name"], start, tuple(steps), self._place((*path, "name")))

    def file(self, name: str, path: TreePath) -> Path:
        """The path of a file that is named, from this file's directory on."""
        found = self._home / Path(name).expanduser()
        if not found.exists():
            self._report.add(self._document, path, f"there is no file {str(found)!r}")
        return found

    def _step(self, step: Mapping[str, Any], path: TreePath) -> Step:
        place = self._place(path)
        if "expect" in step:
            return self._expectation(step["expect"], (*path, "expect"))
        if "advance" in step or "advance_to" in step:
            return Advance(step.get("advance", step.get("advance_to")), place)
        kind: Input = "events" if "events" in step else "notifications"
        given = step[kind]
        if not isinstance(given, str):
            return Given(kind, given, place)
        return GivenFile(
            kind=kind,
            path=self.file(given, (*path, kind)),
            every=step.get("every", WORKER_EVERY),
            datetime_traits=tuple(step.get("datetime_traits", ())),
            place=place,
        )

    def _check_times(self, steps: Sequence[Mapping[str, Any]], path: TreePath) -> None:
        """Without a start, time is told by the events: each must have one."""
        for index, step in enumerate(steps):
            events = step.get("events")
            for number, event in enumerate(events if isinstance(events, list) else ()):
                if "timestamp" not in event:
                    message = "has no timestamp; give it one, or the case a start"
                    self._report.add(self._document, (*path, index, "events", number), message)

    def _expectation(self, expect: Mapping[str, Any], path: TreePath) -> Expectation:
        including = expect.get("including", {})
        return Expectation(
            whole=self._items(expect, path),
            including=self._items(including, (*path, "including")),
            counts=expect.get("counts", {}),
            place=self._place(path),
        )

    def _items(
        self, expect: Mapping[str, Any], path: TreePath
    ) -> dict[Kind, Sequence[ExpectedItem]]:
        return {
            kind: [
                ExpectedItem(fields, self._place((*path, kind, index)))
                for index, fields in enumerate(expect[kind])
            ]
            for kind in KINDS
            if kind in expect
        }

    def _place(self, path: TreePath) -> str:
        mark = cast("Mark", self._document.mark(path))
        return f"{self._document.name}:{mark.line}"
