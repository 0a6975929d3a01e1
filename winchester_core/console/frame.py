"""Data of the frame around each page: navigation, health, login."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.statistics import Replica


@dataclass(frozen=True, slots=True)
class Section:
    """Section of the console; `path` follows the path prefix."""

    key: str
    label: str
    path: str


SECTIONS: Final = (
    Section("overview", "Overview", "/"),
    Section("triggers", "Triggers", "/triggers"),
    Section("streams", "Streams", "/streams"),
    Section("events", "Events", "/events"),
    Section("rejected", "Rejected", "/rejected"),
    Section("outbox", "Outbox", "/outbox"),
    Section("site", "Site", "/site"),
)
"""Sections in the order of the navigation."""


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """Health in a few words. `state` is `ok`, `warning`, `error` or `unknown`."""

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Data that `base.html` needs, in the context of each template as `frame`.

    `root` is the path prefix of the console without a final slash. `section` is the key of the
    current section, or empty. `user` and `role` are those of the login; they are empty if there is
    no login. `counts` are short texts beside the sections, by key, and `alarming` the keys of those
    that need attention. `replica` is the standby server that is shown, if it is one.
    """

    root: str
    section: str
    health: HealthSummary
    csrf_token: str
    version: str
    user: str = ""
    role: str = ""
    read_only: bool = True
    counts: Mapping[str, str] = field(default_factory=dict)
    alarming: frozenset[str] = frozenset()
    replica: Replica | None = None

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections in the order of the navigation."""
        return SECTIONS
