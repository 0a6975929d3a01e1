"""Workload of the benchmarks: instance lifecycles as OpenStack sends them.

Each instance has eight events a day, the last of them `compute.instance.exists`, with 18
traits each. They are in time order over all instances, day after day, from the beginning of
today (UTC). The same seed gives the same events.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTANCES = 10_000
PER_DAY = 8
TRAITS = 18
EXISTS = "compute.instance.exists"
TYPES = (
    "compute.instance.update",
    "compute.instance.reboot.start",
    "compute.instance.reboot.end",
    "compute.instance.snapshot.start",
    "compute.instance.snapshot.end",
    "compute.instance.power_off.end",
    "compute.instance.power_on.end",
    EXISTS,
)

TRIGGER: dict[str, Any] = {
    "name": "instance_day",
    "distinguished_by": ["instance_id", {"timestamp": "day"}],
    "match_criteria": [{"event_type": "compute.instance.*"}],
    "fire_criteria": [{"event_type": EXISTS}],
    "expiration": "$last + 2d",
    "fire_pipeline": "bill",
    "expire_pipeline": "bill",
}

_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)
_FLAVORS = (("m1.small", 2048, 20, 1), ("m1.medium", 4096, 40, 2), ("m1.large", 8192, 80, 4))


def today() -> datetime:
    """Return the beginning of the current day, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


class Workload:
    """An endless sequence of events."""

    def __init__(self, seed: int = 1, instances: int = INSTANCES) -> None:
        self._random = random.Random(seed)
        self._seed = seed
        self._number = instances
        self._instance = lru_cache(maxsize=INSTANCES)(self._make_instance)
        self._today = today()
        self._later = timedelta(0)
        self._events = self._sequence(self._today)

    def take(self, number: int) -> list[dict[str, Any]]:
        """Return the next events, in time order over the instances."""
        return list(islice(self._events, number))

    def batches(self, number: int, size: int) -> list[list[dict[str, Any]]]:
        """Return the next events, in batches."""
        events = self.take(number)
        return [events[start : start + size] for start in range(0, number, size)]

    def any_event(self, instance: int) -> dict[str, Any]:
        """Return another event of an instance (from 0), later today; it does not fire."""
        self._later += _MILLISECOND
        return self._event(self._instance(instance), TYPES[0], self._today, self._later)

    def sample(self, number: int) -> list[int]:
        """Return a sample of different instances."""
        return self._random.sample(range(self._number), number)

    def new_id(self) -> str:
        """Return a new message id."""
        return _uuid(self._random)

    def _sequence(self, start: datetime) -> Iterator[dict[str, Any]]:
        for number in count():
            yield from self._day(start + number * _DAY)

    def _day(self, start: datetime) -> Iterator[dict[str, Any]]:
        moments = [
            (moment, place, instance)
            for instance in range(self._number)
            for place, moment in enumerate(sorted(self._random.random() for _ in range(PER_DAY)))
        ]
        for moment, place, instance in sorted(moments):
            yield self._event(self._instance(instance), TYPES[place], start, moment * _DAY)

    def _event(
        self, instance: dict[str, Any], event_type: str, day: datetime, offset: timedelta
    ) -> dict[str, Any]:
        return {
            "message_id": _uuid(self._random),
            "event_type": event_type,
            "timestamp": day + offset,
            **instance,
            "request_id": f"req-{_uuid(self._random)}",
            "audit_period_beginning": day,
            "audit_period_ending": day + _DAY,
        }

    def _make_instance(self, number: int) -> dict[str, Any]:
        """Return the traits that all events of an instance share; not cached, to save memory."""
        rng = random.Random(f"{self._seed} {number}")
        flavor, memory, disk, processors = _FLAVORS[number % len(_FLAVORS)]
        host = f"compute-{number % 97:03}"
        return {
            "instance_id": _uuid(rng),
            "tenant_id": f"{rng.getrandbits(128):032x}",
            "user_id": f"{rng.getrandbits(128):032x}",
            "display_name": f"server-{number}",
            "host": host,
            "service": "compute",
            "publisher_id": f"compute.{host}",
            "instance_type": flavor,
            "memory_mb": memory,
            "disk_gb": disk,
            "vcpus": processors,
            "state": "active",
            "launched_at": self._today - timedelta(days=3, seconds=number),
            "image_ref_url": f"http://glance.example:9292/images/{_uuid(rng)}",
            "region": "RegionOne",
        }


def _uuid(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
