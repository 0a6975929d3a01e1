"""Events of one day of a shop with its own cloud, up to a given time, the same at every call.

There is one of each problem that an operator must find: a host whose backups do not end
(`SILENT_HOST`), orders in a currency without a rate (`FAILING_CURRENCY`), and disk usage that is
reported as text.
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, pi
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = timedelta(days=1)
SILENT_HOST = "db-07"
FAILING_CURRENCY = "CHF"
SECRETS = ("correct-horse-battery", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "hunter2-but-longer")
"""Values of secrets in the bodies of rejected messages."""

HOSTS = (
    *(f"db-{number:02}" for number in range(1, 9)),
    *(f"web-{number:02}" for number in range(1, 13)),
    *(f"mail-{number:02}" for number in range(1, 4)),
)
ACCOUNTS = ("anna", "bela", "chiara", "dmitri", "esra", "farid", "greta", "hugo", "ines", "jonas")
ATTACKED = ("admin", "root", "greta", "backup")
FLAVORS = (("m1.small", 1, 2048), ("m1.medium", 2, 4096), ("m1.large", 4, 8192))


def activity_level(time: datetime) -> float:
    """Return how busy the shop is at a time of day, from 0.25 at 03:00 to 1 at 15:00 UTC."""
    hours = time.hour + time.minute / 60
    return 0.625 - 0.375 * cos((hours - 3) / 24 * 2 * pi)


def shop_events(now: datetime) -> list[dict[str, Any]]:
    """Return the events of the day before `now`, by timestamp."""
    day = _ShopDay(now)
    events = [*day.backups(), *day.orders(), *day.logins(), *day.instances()]
    events += [*day.disks(), *day.downloads()]
    known = [event for event in events if now - DAY <= event["timestamp"] < now]
    return sorted(known, key=lambda event: (event["timestamp"], event["message_id"]))


def invalid_bodies(now: datetime) -> list[tuple[datetime, bytes]]:
    """Return messages that ingest must reject, with their times; some contain secrets."""
    time = (now - timedelta(hours=3)).isoformat()
    bodies: list[bytes] = [
        json.dumps({"message_id": "m-1", "event_type": "order.placed", "total": 12.5}).encode(),
        json.dumps(
            {
                "message_id": "m-2",
                "event_type": "user.created",
                "timestamp": "yesterday",
                "user": "anna",
                "password": SECRETS[0],
            }
        ).encode(),
        json.dumps(
            {"event_type": "payment.failed", "timestamp": time, "api_key": SECRETS[1]}
        ).encode(),
        json.dumps({"message_id": "", "event_type": "order.paid", "timestamp": time}).encode(),
        b'{"message_id": "m-5", "event_type": "order.placed", "timestamp":',
        f"user=backup password={SECRETS[2]} host=db-07".encode(),
        b"\xff\xfe\x00binary\x00\x01",
        json.dumps({"message_id": "m-8", "event_type": 17, "timestamp": time}).encode(),
        json.dumps([{"message_id": "m-9"}]).encode(),
    ]
    step = timedelta(hours=2, minutes=25)
    return [
        (now - timedelta(minutes=7) - step * number, body)
        for number, body in enumerate(reversed(bodies))
    ][::-1]


@dataclass
class _ShopDay:
    now: datetime
    random: random.Random = field(default_factory=lambda: random.Random(11))
    number: int = 0

    def backups(self) -> Iterator[dict[str, Any]]:
        """Yield last night's backups and those in progress; the silent host's do not end."""
        for hours_ago, is_over in ((9.5, True), (0.7, False)):
            for index, host in enumerate(HOSTS):
                begin = self.before(hours=hours_ago) + timedelta(seconds=37 * index)
                run = f"{begin:%j}-{host}"
                yield self.event("backup.started", begin, host=host, run=run, target="s3://vault")
                seconds = self.random.uniform(300, 5400)
                if host == SILENT_HOST or not (is_over or seconds < 2400):
                    continue
                yield self.event(
                    "backup.done",
                    begin + timedelta(seconds=seconds),
                    host=host,
                    run=run,
                    exit_code=0,
                    gigabytes=round(seconds / 47, 1),
                )

    def orders(self) -> Iterator[dict[str, Any]]:
        """Yield orders in all conditions: complete, in progress, cancelled, unpaid, failing."""
        number = 48_213
        for begin in self.times(per_hour=13):
            number += 1
            order = f"A-{number}"
            customer = f"c-{self.random.randrange(400):04}"
            kind = self.random.random()
            currency = FAILING_CURRENCY if kind > 0.955 else self.random.choice(("EUR", "USD"))
            total = round(self.random.lognormvariate(4, 0.8), 2)
            common = {"order_id": order, "customer": customer}
            yield self.event(
                "order.placed",
                begin,
                **common,
                total=total,
                currency=currency,
                items=int(total) % 7 + 1,
            )
            if kind < 0.04:
                continue
            paid = begin + self.minutes(1, 25)
            yield self.event("order.paid", paid, **common, amount=total, currency=currency)
            if kind < 0.1:
                yield self.event(
                    "order.cancelled", paid + self.minutes(2, 40), **common, by="customer"
                )
                continue
            shipped = paid + self.minutes(20, 190)
            yield self.event("order.shipped", shipped, **common, carrier="parcel-one")

    def logins(self) -> Iterator[dict[str, Any]]:
        """Yield successful logins, slips of the keyboard, and attacks, some of them repeated."""
        for time in self.times(per_hour=110):
            account = self.random.choice(ACCOUNTS)
            address = f"10.1.{self.random.randrange(4)}.{self.random.randrange(2, 250)}"
            if self.random.random() < 0.05:
                failed = time - timedelta(seconds=self.random.uniform(4, 30))
                yield self.event("login.failed", failed, account=account, address=address)
            yield self.event("login.succeeded", time, account=account, address=address)
        for hours_ago, account in (
            *((20.0, "root"), (17.5, "admin"), (17.1, "admin"), (12.25, "backup"), (6.2, "greta")),
            *((5.8, "greta"), (3.4, "admin"), (1.9, "root"), (1.4, "root"), (0.6, "backup")),
        ):
            begin = self.before(hours=hours_ago)
            for attempt in range(7):
                time = begin + timedelta(seconds=attempt * self.random.uniform(20, 40))
                yield self.event(
                    "login.failed", time, account=account, address="203.0.113.77", reason="password"
                )
            time = begin + timedelta(minutes=6)
            yield self.event("login.succeeded", time, account=account, address="203.0.113.77")
        for attempt in range(3):  # an attack in progress
            time = self.before(minutes=3 - attempt)
            yield self.event(
                "login.failed", time, account="root", address="198.51.100.9", reason="password"
            )

    def instances(self) -> Iterator[dict[str, Any]]:
        """Yield starts of virtual machines; some do not end, some are deleted before."""
        for begin in self.times(per_hour=3):
            flavor, vcpus, memory = self.random.choice(FLAVORS)
            common = {
                "instance_id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
                "tenant": self.random.choice(("shop", "analytics", "ci")),
            }
            yield self.event(
                "compute.instance.create.start",
                begin,
                **common,
                flavor=flavor,
                vcpus=vcpus,
                memory_mb=memory,
            )
            fate = self.random.random()
            host = f"compute-{self.random.randrange(1, 9):02}"
            if fate < 0.06:
                continue
            if fate < 0.14:
                time = begin + self.minutes(1, 6)
                yield self.event("compute.instance.delete.start", time, **common)
                continue
            time = begin + self.minutes(0.3, 7)
            yield self.event("compute.instance.create.end", time, **common, host=host)

    def disks(self) -> Iterator[dict[str, Any]]:
        """Yield the disk usage of each host, as text: no number is ever above 90."""
        for hour in range(25):
            for index, host in enumerate(HOSTS):
                time = self.before(hours=hour) - timedelta(seconds=13 * index + 5)
                used = 97.2 if host == "web-03" else 40 + (index * 7 + hour) % 45
                yield self.event(
                    "host.disk", time, host=host, mount="/var", used_percent=f"{used:.1f}"
                )

    def downloads(self) -> Iterator[dict[str, Any]]:
        """Yield exports of data, whose sizes are added up for each user."""
        for account in ACCOUNTS:
            for _ in range(self.random.randrange(3, 12)):
                time = self.before(minutes=self.random.uniform(5, 20 * 60))
                size = int(self.random.lognormvariate(20.2, 0.7))
                yield self.event(
                    "export.finished", time, account=account, bytes=size, format="parquet"
                )

    def times(self, per_hour: float) -> Iterator[datetime]:
        """Yield random times of the day before `now`, more of them when the shop is busy."""
        time = self.now - DAY
        while time < self.now:
            time += timedelta(hours=self.random.expovariate(per_hour * activity_level(time)))
            yield time

    def minutes(self, low: float, high: float) -> timedelta:
        """Return a random duration."""
        return timedelta(minutes=self.random.uniform(low, high))

    def before(self, **duration: float) -> datetime:
        """Return a time before `now`."""
        return self.now - timedelta(**duration)

    def event(self, event_type: str, time: datetime, **traits: Any) -> dict[str, Any]:
        """Return the next event."""
        self.number += 1
        return {
            "message_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"shop/{self.number}")),
            "event_type": event_type,
            "timestamp": time,
            **traits,
        }
