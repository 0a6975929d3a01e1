"""Fixtures of tests that run the programs as a user does."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from support.scenes.sites import Site
from winchester_core.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


class Winchester(Protocol):
    """Runs a ``winchester`` command within the test process, which is fast."""

    def __call__(self, site: Site, *arguments: str) -> CommandResult: ...


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A directory with a configuration and no tables."""
    return Site(tmp_path)


@pytest.fixture
def ready_site(site: Site) -> Site:
    """A directory with a configuration and an empty database."""
    site.migrate()
    return site


@pytest.fixture
def winchester(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Winchester]:
    """Run commands; afterwards restore logging and the garbage collector."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    thresholds = gc.get_threshold()

    def run(site: Site, *arguments: str) -> CommandResult:
        monkeypatch.chdir(site.path)
        monkeypatch.setenv("WINCHESTER_CONFIG", str(site.config))
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as exit_of_argparse:
            status = int(exit_of_argparse.code or 0)
        printed = capsys.readouterr()
        return CommandResult(status, printed.out, printed.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    gc.set_threshold(*thresholds)
