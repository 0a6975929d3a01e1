"""Databases of the fault tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.worker_settings import BOTH_SETTINGS, WorkerSettings
from support.servers.databases import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.close()


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    """The name of each database with a server, in turn."""
    name: str = request.param
    return name


@pytest.fixture(params=BOTH_SETTINGS, ids=str)
def worker_settings(request: pytest.FixtureRequest) -> WorkerSettings:
    """Settings of workers: one run after the other, and many in parallel."""
    settings: WorkerSettings = request.param
    return settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Replace an exception that `traceback` cannot format: pytest would crash on it."""
    if call.excinfo is None:
        return
    try:
        str(call.excinfo.getrepr())
    except Exception as error:  # noqa: BLE001 - the exceptions of these tests raise anything
        message = f"unexpected {call.excinfo.typename}, which cannot be formatted: {error!r}"
        replacement = AssertionError(message).with_traceback(call.excinfo.tb)
        call.excinfo = pytest.ExceptionInfo.from_exception(replacement)
