"""A case by which triggers are tested: what happens, and what is to come of it.

`place` tells a person where each stands: `file:line`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

Kind: TypeAlias = Literal["streams", "runs", "new_events", "effects"]
Input: TypeAlias = Literal["events", "notifications"]

KINDS: tuple[Kind, ...] = ("streams", "runs", "new_events", "effects")
"""What is expected of a case, in the order in which it is told."""


@dataclass(frozen=True, slots=True)
class ExpectedItem:
    """One thing that is expected: what is said of it, and where (`file:line`)."""

    fields: Mapping[str, Any]
    place: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is to hold at a point of a case.

    Of a kind in `whole` there are exactly these; those in `including` are among others.
    """

    whole: Mapping[Kind, Sequence[ExpectedItem]]
    including: Mapping[Kind, Sequence[ExpectedItem]]
    counts: Mapping[str, int]
    place: str


@dataclass(frozen=True, slots=True)
class Given:
    """Events or notifications that arrive in one batch."""

    kind: Input
    items: Sequence[Mapping[str, Any]]
    place: str


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file of events or notifications; the worker runs whenever time enters a new `every`."""

    kind: Input
    path: Path
    every: timedelta
    datetime_traits: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class Advance:
    """Stream time goes on, by a length or to a time."""

    to: timedelta | datetime
    place: str


Step: TypeAlias = Given | GivenFile | Advance | Expectation
"""What happens in a case, or is looked at."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `start` is the time at which it begins; None: that of its first event."""

    name: str
    start: datetime | None
    steps: tuple[Step, ...]
    place: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of cases. `config` is the configuration that it names, if it does."""

    path: Path
    config: Path | None
    cases: tuple[Case, ...]
