"""Fixtures and settings of all tests."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from hypothesis import HealthCheck, settings

from support.probes.hypothesis_examples import examples

if TYPE_CHECKING:
    from collections.abc import Generator

# a busy machine is no failure: nothing here is timed
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(),
)
settings.load_profile("untimed")

TESTS = Path(__file__).parent
SLOW_FOLDERS = frozenset(
    {"concurrency", "console", "faults", "http_source", "migrations", "sources"}
)
"""Tests in these folders start programs, servers and browsers, or migrate many databases."""

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED_DATA = CHECKOUT.parent / "shared" / "data"


REPORT_PROPERTY = "report at the end"
"""The property that a test records to have its text shown though it has passed."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the texts that tests recorded, from whichever process they ran in."""
    texts = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in report.user_properties
        if name == REPORT_PROPERTY
    ]
    if texts:
        terminalreporter.section("reports of tests")
        terminalreporter.write_line("\n".join(texts))


@pytest.hookimpl(optionalhook=True)  # without the plugin xdist the hook is unknown
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of processors: tests wait a third of their time."""
    mine = getattr(os, "sched_getaffinity", None)
    processors = len(mine(0)) if mine is not None else os.cpu_count() or 1
    return processors + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Restore the root logger after each test: a program's handler writes to a captured stream."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        return (yield)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in a slow folder."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)


def pytest_configure() -> None:
    """Refuse an SQLAlchemy version other than WINCHESTER_TEST_SQLALCHEMY, compared by prefix."""
    wanted = os.environ.get("WINCHESTER_TEST_SQLALCHEMY", "")
    if not f"{sqlalchemy.__version__}.".startswith(wanted and f"{wanted}."):
        raise pytest.UsageError(f"SQLAlchemy {wanted} is wanted, not {sqlalchemy.__version__}")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded notifications beside the checkout; skips the test if missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the recorded notifications are not here: {SHARED_DATA}")
    return SHARED_DATA
