"""Version of the time zone data that this process uses.

`zoneinfo` reads the files of the operating system if there are any, otherwise the distribution
`tzdata`. Local times of different versions may differ, so the programs report the version.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

UNKNOWN: Final = "unknown"
PROBE: Final = "Europe/London"
"""A zone that every complete set of files contains."""

MAX_LINE_LENGTH: Final = 80


@dataclass(frozen=True, slots=True)
class TimeZoneData:
    """The version (such as 2025b) of the data, and its origin: a directory, or `tzdata`.

    The version is `unknown` if the files do not contain it, or if there is no data.
    """

    version: str
    origin: str


def time_zone_data() -> TimeZoneData:
    """Return the version and the origin of the time zones of `zoneinfo`."""
    for directory in map(Path, zoneinfo.TZPATH):
        if _is_file(directory / PROBE):
            return TimeZoneData(_version_in(directory), str(directory))
    try:
        version = import_module("tzdata").IANA_VERSION
    except (ImportError, AttributeError):
        return TimeZoneData(UNKNOWN, "none")
    return TimeZoneData(str(version), "tzdata")


def _version_in(directory: Path) -> str:
    """Return the version in `tzdata.zi` ("# version 2025b") or in macOS's `+VERSION`."""
    line = _first_line(directory / "tzdata.zi").removeprefix("# version")
    return line.strip() or _first_line(directory / "+VERSION").strip() or UNKNOWN


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline(MAX_LINE_LENGTH)
    except OSError:
        return ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
