"""Reload on request: no exception of a plugin ends the thread."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.service.reload import RELOAD_FAILED, Reloader

if TYPE_CHECKING:
    from winchester_core.config import ReloadPolicy, Settings
    from winchester_core.service.systemd import SystemdNotifier


class Notifier:
    """Records the results of reloads."""

    def __init__(self) -> None:
        self.results: list[str] = []
        self.reloaded_once = threading.Event()

    def reloading(self) -> None:
        self.reloaded_once.clear()

    def reloaded(self, result: str) -> None:
        self.results.append(result)
        self.reloaded_once.set()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("no")], ids=repr)
def test_an_exception_of_a_plugin_does_not_end_the_reload_thread(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> NoReturn:
        raise error

    def prepare(_settings: Any) -> NoReturn:
        raise AssertionError("not reached")

    notifier = Notifier()
    with Reloader(
        cast("Settings", SimpleNamespace(name="winchester.yaml")),
        policy=cast("ReloadPolicy", None),
        load=load,
        prepare=prepare,
        proc_name="worker",
        notifier=cast("SystemdNotifier", notifier),
    ) as reloader:
        for _ in range(2):
            reloader.request()
            assert notifier.reloaded_once.wait(BOUND_SECONDS)
            notifier.reloaded_once.clear()
    assert notifier.results == [RELOAD_FAILED] * 2
    failures = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(failures) == 2
    assert type(error).__name__ in failures[0].getMessage()
