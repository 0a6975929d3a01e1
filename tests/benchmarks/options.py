"""What is measured, how much of it, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from databases import BACKENDS

if TYPE_CHECKING:
    from pathlib import Path

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Options:
    """The sizes of one run; `events` is the size of a round of the largest ones.

    `folder` is where files of SQLite lie: on the disk that is to be measured.
    """

    folder: Path
    databases: tuple[str, ...] = BACKENDS
    rounds: int = 5
    events: int = 80_000
    seed: int = 1
