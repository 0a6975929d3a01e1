"""An exception that ends a thread of a program is logged, not only printed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from winchester_core.cli.terminal import configure_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    hook = threading.excepthook
    yield
    threading.excepthook = hook


@pytest.mark.parametrize("error", [ValueError("password=swordfish"), SystemExit(3)], ids=repr)
def test_the_exception_that_ends_a_thread_is_logged(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    configure_terminal("winchester")
    thread = threading.Thread(target=fail, name="helper")
    thread.start()
    thread.join()
    printed = capsys.readouterr().err
    assert "winchester: critical: thread failed: thread=helper" in printed
    assert type(error).__name__ in printed
    assert "swordfish" not in printed
