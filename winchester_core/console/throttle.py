"""Throttle of failed tokens, by client address and in total."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS: Final = 60.0
MAX_FAILURES: Final = 10
"""Maximum number of failures of one address in a window; further tokens get status 429."""
MAX_TOTAL_FAILURES: Final = 200
"""Maximum number of failures of all addresses in a window. It also bounds the memory."""
MAX_SUCCESSES: Final = 1000
SUCCESS_SECONDS: Final = 3600.0
"""Time for which a token that an address has used is not throttled there."""
IPV6_NETWORK_BITS: Final = 64
"""Length of an IPv6 network's prefix. A host may use all addresses of such a network."""


@dataclass(slots=True)
class _Window:
    ends_at: float
    failures: int = 0


class Throttle:
    """Counts failed tokens. Not thread-safe.

    A window begins with the first failure. When the maximum is reached, all tokens of the address
    are refused until the window ends, including valid ones, so that no response reveals a right
    guess. A token that was used from the same address within the last hour is still accepted, so
    that others behind the same proxy cannot lock out running programs.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._windows: dict[str, _Window] = {}
        self._total = _Window(0.0)
        self._successes: OrderedDict[tuple[str, str], float] = OrderedDict()

    def retry_after(self, address: str) -> int | None:
        """Return the seconds for which tokens of an address are refused; None if they are not."""
        now = self._now()
        window = self._windows.get(_network(address))
        waits = [0.0]
        if window is not None and window.failures >= MAX_FAILURES:
            waits.append(window.ends_at - now)
        if self._total.failures >= MAX_TOTAL_FAILURES:
            waits.append(self._total.ends_at - now)
        return ceil(max(waits)) or None

    def is_known(self, address: str, name: str) -> bool:
        """Return whether the token `name` was used from the address within the last hour."""
        used_at = self._successes.get((_network(address), name))
        return used_at is not None and self._now() - used_at < SUCCESS_SECONDS

    def record_failure(self, address: str) -> None:
        """Count a failure of an address."""
        now = self._now()
        if self._total.ends_at <= now:
            self._total = _Window(now + WINDOW_SECONDS)
            self._windows = {
                each: window for each, window in self._windows.items() if window.ends_at > now
            }
        self._total.failures += 1
        network = _network(address)
        window = self._windows.get(network)
        if window is None or window.ends_at <= now:
            window = self._windows[network] = _Window(now + WINDOW_SECONDS)
        window.failures += 1

    def record_success(self, address: str, name: str) -> None:
        """Record that the token `name` was used from an address."""
        key = _network(address), name
        self._successes[key] = self._now()
        self._successes.move_to_end(key)
        if len(self._successes) > MAX_SUCCESSES:
            self._successes.popitem(last=False)


def _network(address: str) -> str:
    """Return the address to count: of IPv6, the network; otherwise the address itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - IPV6_NETWORK_BITS):x}"
