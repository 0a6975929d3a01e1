"""Version of the time zone data."""

from __future__ import annotations

import re
import sys
import zoneinfo
from typing import TYPE_CHECKING

import pytest
import tzdata

from winchester_core.time_zones import PROBE, TimeZoneData, time_zone_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    UsePath = Callable[..., None]


@pytest.fixture
def search() -> Iterator[UsePath]:
    """Set the directories that `zoneinfo` searches, until the end of the test."""
    before = zoneinfo.TZPATH

    def use(*directories: Path) -> None:
        zoneinfo.reset_tzpath(tuple(map(str, directories)))

    yield use
    zoneinfo.reset_tzpath(before)


def make_zone(directory: Path) -> Path:
    file = directory / PROBE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"TZif")
    return directory


def test_this_host_has_time_zone_data() -> None:
    assert re.fullmatch(r"[0-9]{4}[a-z].*", time_zone_data().version)


@pytest.mark.parametrize(
    ("name", "content", "version"),
    [
        ("tzdata.zi", "# version 2025b\n# ddeps\n", "2025b"),
        ("+VERSION", "2025b\n", "2025b"),
        ("tzdata.zi", "", "unknown"),
        ("other", "", "unknown"),
    ],
)
def test_files_of_the_operating_system_come_first(
    search: UsePath, tmp_path: Path, name: str, content: str, version: str
) -> None:
    directory = make_zone(tmp_path / "second")
    (directory / name).write_text(content)
    search(tmp_path / "first", directory)
    assert time_zone_data() == TimeZoneData(version, str(directory))


def test_the_distribution_tzdata_is_used_if_there_are_no_files(
    search: UsePath, tmp_path: Path
) -> None:
    search(tmp_path)
    assert time_zone_data() == TimeZoneData(tzdata.IANA_VERSION, "tzdata")


def test_the_version_is_unknown_without_data(
    search: UsePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(tmp_path)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    assert time_zone_data() == TimeZoneData("unknown", "none")
