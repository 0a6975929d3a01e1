"""Generates loads of notifications as OpenStack Nova sends them, with known faults and verdicts.

The same seed gives the same load. Run as a program, it writes the sample of the demo, or a
larger load:

    python -m support.builders.nova.load
    python -m support.builders.nova.load --days 7 --instances 500 load.jsonl.gz --truth truth.json
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from support.builders.nova.instance_day import ONE_DAY, Fault, InstanceDay
from support.builders.nova.instances import new_instance
from support.builders.nova.lifecycles import FAULTS_OF_LIVES, LIVES, create

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.builders.nova.instance_day import Notification, Truth
    from support.builders.nova.instances import Instance

SAMPLE = Path(__file__).resolve().parents[4] / "etc" / "sample" / "one_day.jsonl.gz"
SAMPLE_DAY = date(2026, 3, 14)

DELIVERY_FAULTS = (Fault.REDELIVERED, Fault.LATE)

ONE_DAY_CAST: tuple[tuple[str, Fault | None], ...] = (
    ("created", None),
    ("created", Fault.REDELIVERED),
    ("created", None),
    ("short", None),
    ("short", Fault.LATE),
    ("worked", None),
    ("worked", Fault.LATE),
    ("worked", Fault.LOST_EXISTS),
    ("worked", Fault.NO_LAUNCHED_AT),
    ("worked", Fault.REDELIVERED),
    ("resized", None),
    ("resized", Fault.WRONG_FLAVOR),
    ("rebuilt", None),
    ("deleted", None),
    ("deleted", Fault.SECOND_DELETE),
)


@dataclass(frozen=True)
class Load:
    """Notifications in order of arrival, redeliveries included, and the expected results."""

    notifications: tuple[Notification, ...]
    truth: tuple[Truth, ...]

    def verdicts(self) -> Counter[str]:
        """Return the expected number of each verdict."""
        return Counter(verdict for truth in self.truth for verdict in truth.verdicts)


def one_day() -> Load:
    """Return the demo's sample: fifteen instances on 14 March 2026, and their records."""
    source = random.Random(20260314)
    cast = [(new_instance(source, i, SAMPLE_DAY), *role) for i, role in enumerate(ONE_DAY_CAST)]
    return _load(_live(instance, SAMPLE_DAY, life, fault, source) for instance, life, fault in cast)


def lifecycle_load(
    *,
    days: int,
    instances: int,
    seed: int,
    start: date = SAMPLE_DAY,
    fault_rate: float = 0.05,
    delivery_fault_rate: float = 0.05,
) -> Load:
    """Return a load of any size: `instances` per day; a new one replaces a deleted one.

    `fault_rate` is the share of instances and days with a fault that has its own verdict, and
    `delivery_fault_rate` the share of late and repeated deliveries among the other
    instances and days.
    """
    source = random.Random(seed)
    made = [new_instance(source, number, start) for number in range(instances)]
    lived = []
    for day in (start + n * ONE_DAY for n in range(days)):
        for number, instance in enumerate(made):
            if instance.deleted_at:
                made[number] = instance = new_instance(source, instance.number + instances, day)
            born = instance.launched_at is not None
            life = source.choice(list(LIVES)[2:] if born else ["created", "short", "worked"])
            fault = _choose_fault(source, life, fault_rate, delivery_fault_rate)
            lived.append(_live(instance, day, life, fault, source))
    return _load(lived)


def write_load(path: Path, load: Load) -> None:
    """Write the notifications as JSON lines, compressed when the name ends in ``.gz``."""
    lines = (json.dumps(n, ensure_ascii=False, sort_keys=True) for n in load.notifications)
    data = "".join(line + "\n" for line in lines).encode()
    # Without the time of writing in it, the same load gives the same file.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _choose_fault(
    source: random.Random, life: str, fault_rate: float, delivery_fault_rate: float
) -> Fault | None:
    if source.random() < fault_rate:
        return source.choice(FAULTS_OF_LIVES[life])
    return source.choice(DELIVERY_FAULTS) if source.random() < delivery_fault_rate else None


def _live(
    instance: Instance, day: date, life: str, fault: Fault | None, source: random.Random
) -> tuple[Truth, list[tuple[timedelta, Notification]]]:
    if create not in LIVES[life] and instance.launched_at is None:
        age = timedelta(seconds=source.randrange(2 * 86400, 300 * 86400))
        instance.created_at = datetime.combine(day, time(), UTC) - age
        instance.launched_at = instance.created_at + timedelta(seconds=40)
        instance.state = "active"
    scene = InstanceDay(instance, day, source, fault)
    for act in LIVES[life]:
        act(scene)
    scene.close_day()
    if fault in DELIVERY_FAULTS:
        scene.disturb_delivery()
    return scene.truth(life), scene.sent


def _load(lived: Iterable[tuple[Truth, list[tuple[timedelta, Notification]]]]) -> Load:
    truths, matched_events = [], []
    for truth, sent in lived:
        truths.append(truth)
        for delay, notification in sent:
            sent_at = datetime.fromisoformat(notification["timestamp"])
            matched_events.append((sent_at + delay, len(matched_events), notification))
    matched_events.sort(key=lambda matched_event: matched_event[:2])
    return Load(tuple(notification for _, _, notification in matched_events), tuple(truths))


def main() -> None:
    """Write the demo's sample, or the load described by the arguments."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--days", type=int)
    parser.add_argument("--instances", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault-rate", type=float, default=0.05)
    parser.add_argument("--truth", type=Path, help="also write what is known, as JSON")
    chosen = parser.parse_args()
    load = one_day()
    if chosen.days:
        load = lifecycle_load(
            days=chosen.days,
            instances=chosen.instances,
            seed=chosen.seed,
            fault_rate=chosen.fault_rate,
        )
    write_load(chosen.path, load)
    if chosen.truth:
        chosen.truth.write_text(json.dumps([asdict(truth) for truth in load.truth], indent=1))
    print(f"{chosen.path}: {len(load.notifications)} notifications, {dict(load.verdicts())}")


if __name__ == "__main__":
    main()
