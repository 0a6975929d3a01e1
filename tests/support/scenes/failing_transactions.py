"""Transactions aborted at a failpoint."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from winchester_core.failpoints import Failpoint, on_hit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Crash(BaseException):
    """Aborts a transaction; no `Exception`, which the store would translate."""


@contextmanager
def crash_at(point: Failpoint) -> Iterator[None]:
    """Crash calls within this context at `point`, and assert that they reach it."""

    def hook(reached: Failpoint) -> None:
        if reached is point:
            raise Crash

    on_hit(hook)
    try:
        with pytest.raises(Crash):
            yield
    finally:
        on_hit(None)
