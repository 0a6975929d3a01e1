"""TTL cache with single-flight refresh."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

TTL_SECONDS: Final = 5.0
"""Default lifetime of a cached value."""

REFRESH_TIME_SHARE: Final = 0.01
"""Fraction of the time that refreshes of an adaptive cache may take."""

MAX_TTL_SECONDS: Final = 300.0
"""Maximum lifetime in an adaptive cache, even if a refresh takes very long."""

ERROR_TTL_SECONDS: Final = 2.0
"""Maximum lifetime of an error."""

FIRST_REFRESH_WAIT_SECONDS: Final = 2.0
"""Maximum wait of a caller for the first value while another thread loads it."""

REFRESH_TIMEOUT_SECONDS: Final = 30.0
"""If a refresh takes longer, it counts as hanging, and the last value is not returned."""


class RefreshTimeout(WinchesterError):  # noqa: N818 - as in `TimeoutError`
    """The cache has no value, or the refresh hangs."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no response for {seconds:.0f} seconds")


class TtlCache(Generic[Value]):
    """Caches the value that `load` returns, or the `WinchesterError` that it raises.

    One thread refreshes at a time; meanwhile other threads get the last value. Other exceptions
    propagate to the refreshing thread. In an `adaptive` cache, the lifetime grows with the loading
    time: if a value takes 1 second to load, it is kept for 100 seconds.
    """

    def __init__(
        self,
        load: Callable[[], Value],
        *,
        ttl_seconds: float = TTL_SECONDS,
        adaptive: bool = False,
    ) -> None:
        self._load = load
        self._ttl_seconds = ttl_seconds
        self._is_adaptive = adaptive
        self._refresh_lock = threading.Lock()
        self._refresh_started_at = 0.0
        self._result: tuple[Value] | WinchesterError | None = None
        self._loaded_at = 0.0
        self._expires_at = 0.0

    def get(self) -> Value:
        """Return the cached value.

        Raises the error of `load`; `RefreshTimeout` while the refresh hangs.
        """
        if not self._is_fresh():
            self._refresh()
        result = self._result
        if result is None:
            raise RefreshTimeout(monotonic() - self._refresh_started_at)
        if isinstance(result, WinchesterError):
            raise result.with_traceback(None)
        return result[0]

    def cached(self) -> Value | None:
        """Return the last value without a refresh; None if there is none, or only an error."""
        result = self._result
        return None if result is None or isinstance(result, WinchesterError) else result[0]

    @property
    def last_error(self) -> WinchesterError | None:
        """The error of the last refresh; None if it succeeded, or there was none."""
        return self._result if isinstance(self._result, WinchesterError) else None

    @property
    def age_seconds(self) -> float:
        """Age of the cached value."""
        return monotonic() - self._loaded_at

    def _is_fresh(self) -> bool:
        return self._result is not None and monotonic() < self._expires_at

    def _refresh(self) -> None:
        """Load a new value, unless another thread is loading one."""
        if not self._refresh_lock.acquire(
            timeout=FIRST_REFRESH_WAIT_SECONDS if self._result is None else 0
        ):
            refresh_seconds = monotonic() - self._refresh_started_at
            if refresh_seconds > REFRESH_TIMEOUT_SECONDS:
                raise RefreshTimeout(refresh_seconds)
            return
        try:
            if not self._is_fresh():
                self._refresh_started_at = monotonic()
                try:
                    self._result = (self._load(),)
                except WinchesterError as error:
                    self._result = error
                self._loaded_at = monotonic()
                self._expires_at = self._loaded_at + self._lifetime_seconds()
        finally:
            self._refresh_lock.release()

    def _lifetime_seconds(self) -> float:
        if isinstance(self._result, WinchesterError):
            return min(self._ttl_seconds, ERROR_TTL_SECONDS)
        if not self._is_adaptive:
            return self._ttl_seconds
        adaptive_seconds = (self._loaded_at - self._refresh_started_at) / REFRESH_TIME_SHARE
        return max(self._ttl_seconds, min(adaptive_seconds, MAX_TTL_SECONDS))
