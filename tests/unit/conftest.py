"""Fixtures shared by the unit tests: an installed distribution with plugins, and a worker."""

from __future__ import annotations

import importlib
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Protocol

import pytest

from support.scenes.workers import HandlerScript, Scene, ScriptedHandler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Install(Protocol):
    """Installs a distribution for one test: entry points by group, and module sources."""

    def __call__(
        self,
        name: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        version: str = "1.0",
    ) -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    imported = set(sys.modules)

    def make(
        name: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        version: str = "1.0",
    ) -> None:
        site = tmp_path / f"site-{name}"
        metadata = site / f"{name}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        lines = [
            line
            for group, points in entry_points.items()
            for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        for module, source in (modules or {}).items():
            (site / f"{module}.py").write_text(dedent(source))
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()

    yield make
    for module in set(sys.modules) - imported:
        del sys.modules[module]


@pytest.fixture
def script() -> Iterator[HandlerScript]:
    """The behaviour of `ScriptedHandler` in one test."""
    ScriptedHandler.script = script = HandlerScript()
    yield script
    ScriptedHandler.script = HandlerScript()


@pytest.fixture
def scene() -> Scene:
    """Workers on a store in memory."""
    return Scene()
