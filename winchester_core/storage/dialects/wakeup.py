"""Telling idle workers in other processes that there is something to do, where a database can."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Wakeup:
    """A bell that every worker on the database hears. Here none: workers look by themselves.

    A ring that is lost costs at most the time that a worker sleeps.
    """

    def ring(self) -> None:
        """Wake the workers. Called after the commit; never raises."""

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake`, in a thread of its own, whenever the bell may ring."""
        del wake
        return nullcontext()
