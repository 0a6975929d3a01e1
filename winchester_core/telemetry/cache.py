"""What is costly to find out, found out now and then, by one thread at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

TTL_SECONDS: Final = 5.0
"""For how long an answer is given again."""

REFRESH_TIME_SHARE: Final = 0.01
"""Which part of the time may go into finding out what is costly."""

MAX_TTL_SECONDS: Final = 300.0
"""For how long such an answer is given again at most, however long it took."""

FIRST_REFRESH_WAIT_SECONDS: Final = 2.0
"""How long one waits for the very first answer while another thread is at it."""

REFRESH_TIMEOUT_SECONDS: Final = 30.0
"""From when on a search counts as hanging, and the last answer is not given in its place."""


class RefreshTimeout(WinchesterError):  # noqa: N818 - what it is
    """It was asked for some time ago, and there is no answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no answer for {seconds:.0f} seconds")


class TtlCache(Generic[Value]):
    """What `take` gives, or the `WinchesterError` that it raises, given again for a while.

    However many threads ask, one looks; the others get the last answer meanwhile. Any other
    exception reaches the thread that looked. What is `costly` is asked for the less often the
    longer it takes: what took a second, every 100 seconds.
    """

    def __init__(
        self,
        take: Callable[[], Value],
        *,
        fresh_seconds: float = TTL_SECONDS,
        costly: bool = False,
    ) -> None:
        self._take = take
        self._fresh_seconds = fresh_seconds
        self._share = REFRESH_TIME_SHARE if costly else None
        self._looking = threading.Lock()
        self._looking_since = 0.0
        self._answer: tuple[Value] | WinchesterError | None = None
        self._answered_at = 0.0
        self._due_at = 0.0

    def get(self) -> Value:
        """Return the cached value. Raises what `take` raised, `RefreshTimeout` while it hangs."""
        if not self._is_fresh():
            self._look()
        answer = self._answer
        if answer is None:
            raise RefreshTimeout(monotonic() - self._looking_since)
        if isinstance(answer, WinchesterError):
            raise answer.with_traceback(None)
        return answer[0]

    @property
    def age_seconds(self) -> float:
        """How long ago the present answer was found."""
        return monotonic() - self._answered_at

    def _is_fresh(self) -> bool:
        return self._answer is not None and monotonic() < self._due_at

    def _look(self) -> None:
        """Find out anew, unless another thread is at it."""
        if not self._looking.acquire(
            timeout=FIRST_REFRESH_WAIT_SECONDS if self._answer is None else 0
        ):
            hanging_seconds = monotonic() - self._looking_since
            if hanging_seconds > REFRESH_TIMEOUT_SECONDS:
                raise RefreshTimeout(hanging_seconds)
            return
        try:
            if not self._is_fresh():
                self._looking_since = monotonic()
                self._answer = self._found()
                self._answered_at = monotonic()
                self._due_at = self._answered_at + self._rest_seconds()
        finally:
            self._looking.release()

    def _rest_seconds(self) -> float:
        if self._share is None or isinstance(self._answer, WinchesterError):
            return self._fresh_seconds
        by_cost_seconds = (self._answered_at - self._looking_since) / self._share
        return max(self._fresh_seconds, min(by_cost_seconds, MAX_TTL_SECONDS))

    def _found(self) -> tuple[Value] | WinchesterError:
        try:
            return (self._take(),)
        except WinchesterError as error:
            return error
