"""Makes loads of notifications as OpenStack Nova sends them, with faults whose outcome is known.

The shape is that of Nova's unversioned notifications of an instance's life; all names, ids and
figures are invented, and the same seed gives the same load. Run as a program, it writes the
sample of the demo, or a larger load:

    python tests/samples/lifecycle.py
    python tests/samples/lifecycle.py --days 7 --instances 500 load.jsonl.gz --truth truth.json

`Truth` says what the usage handler makes of each instance and day, when streams are told apart
by instance and day and fire on the record of a whole day, as etc/triggers.yaml has it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

SAMPLE = Path(__file__).resolve().parents[2] / "etc" / "sample" / "one_day.jsonl.gz"
SAMPLE_DAY = date(2026, 3, 14)
ONE_DAY = timedelta(days=1)

Notification = dict[str, Any]


class Fault(StrEnum):
    """What goes wrong with an instance on a day. The last two change no verdict."""

    LOST_EXISTS = "lost_exists"
    NO_LAUNCHED_AT = "no_launched_at"
    WRONG_FLAVOR = "wrong_flavor"
    LOST_DELETE = "lost_delete"
    SECOND_DELETE = "second_delete"
    REDELIVERED = "redelivered"
    LATE = "late"


OUTCOME = {
    Fault.LOST_EXISTS: "U0",
    Fault.NO_LAUNCHED_AT: "U1",
    Fault.WRONG_FLAVOR: "U2",
    Fault.LOST_DELETE: "U5",
    Fault.SECOND_DELETE: "U7",
}


@dataclass(frozen=True)
class Truth:
    """What is known of one instance and day.

    `verdicts` are the events to be added, in order: `warnings`, `verified` or the code of a
    failure. `event_ids` are those of its notifications that count as events of the stream.
    """

    instance_id: str
    day: str
    life: str
    verdicts: tuple[str, ...]
    event_ids: tuple[str, ...]
    fault: str | None = None


@dataclass(frozen=True)
class Load:
    """Notifications in order of arrival, redeliveries included, and the truth about them."""

    notifications: tuple[Notification, ...]
    truth: tuple[Truth, ...]

    def verdicts(self) -> Counter[str]:
        """How often each verdict is to be given."""
        return Counter(verdict for truth in self.truth for verdict in truth.verdicts)


@dataclass(frozen=True)
class Flavor:
    """A size of instances."""

    type_id: int
    name: str
    memory_mb: int
    root_gb: int
    vcpus: int


FLAVORS = (
    Flavor(21, "wren", 1024, 20, 1),
    Flavor(22, "robin", 4096, 40, 2),
    Flavor(23, "heron", 16384, 160, 8),
)
IMAGES = (("org.debian", "12", "linux"), ("org.almalinux", "9.5", "linux"))
NAMES = ("web", "mail", "db", "büro", "склад", "データ", "cache", "ci-runner")


@dataclass
class Instance:
    """An instance as Nova knows it at a moment."""

    id: str
    number: int
    tenant_id: str
    user_id: str
    display_name: str
    host: str
    image: tuple[str, str, str]
    flavor: Flavor
    created_at: datetime
    launched_at: datetime | None = None
    deleted_at: datetime | None = None
    state: str = "building"
    task: str = ""

    def payload(self) -> dict[str, Any]:
        """The part that every notification about the instance has."""
        distro, version, os_type = self.image
        return {
            "tenant_id": self.tenant_id,
            "user_id": self.user_id,
            "instance_id": self.id,
            "display_name": self.display_name,
            "hostname": f"vm-{self.number:05d}",
            "reservation_id": f"r-{self.number:08x}",
            "host": self.host,
            "node": f"{self.host}.example.net",
            "availability_zone": "north-1",
            "instance_type": self.flavor.name,
            "instance_type_id": self.flavor.type_id,
            "instance_flavor_id": f"f-{self.flavor.name}",
            "memory_mb": self.flavor.memory_mb,
            "disk_gb": self.flavor.root_gb,
            "root_gb": self.flavor.root_gb,
            "ephemeral_gb": 0,
            "vcpus": self.flavor.vcpus,
            "architecture": "x86_64",
            "os_type": os_type,
            "kernel_id": "",
            "ramdisk_id": "",
            "metadata": {},
            "image_meta": {
                "org.openstack__1__architecture": "x64",
                "org.openstack__1__os_version": version,
                "org.openstack__1__os_distro": distro,
                "com.rackspace__1__options": "0",
            },
            "state": self.state,
            "state_description": self.task,
            "created_at": shown(self.created_at),
            "launched_at": shown(self.launched_at),
            "deleted_at": shown(self.deleted_at),
            "terminated_at": shown(self.deleted_at),
        }


def shown(moment: datetime | None) -> str:
    """A time as Nova's payloads hold it: naive UTC, or empty."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000") if moment else ""


@dataclass
class InstanceDay:
    """What happens to one instance on one day: the notifications, and the delay of each."""

    instance: Instance
    day: date
    random: random.Random
    fault: Fault | None = None
    now: datetime = field(init=False)
    sent: list[tuple[timedelta, Notification]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = datetime.combine(self.day, time(), UTC)
        self.wait(60, 6 * 3600)

    def wait(self, least: float, most: float) -> None:
        """Let a random number of seconds pass."""
        self.now += timedelta(microseconds=self.random.randint(int(least * 1e6), int(most * 1e6)))

    def send(self, kind: str, service: str = "compute", **payload: Any) -> None:
        """Send one notification about the instance as it is, a moment later."""
        self.wait(0.05, 2)
        instance = self.instance
        notification = {
            "event_type": kind if service != "compute" else f"compute.instance.{kind}",
            "message_id": random_id(self.random),
            "publisher_id": f"{service}.{instance.host if service == 'compute' else 'ctl-1'}",
            "priority": "INFO",
            "timestamp": self.now.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "payload": instance.payload() | payload,
            "_unique_id": self.random.randbytes(16).hex(),
            "_context_request_id": f"req-{random_id(self.random)}",
            "_context_project_id": instance.tenant_id,
            "_context_user_id": instance.user_id,
            "_context_is_admin": False,
            "_context_roles": ["member"],
        }
        self.sent.append((timedelta(0), notification))

    def update(self, count: int, task: str = "") -> None:
        """Send updates, as Nova does whenever a task goes on."""
        for _ in range(count):
            old, self.instance.task = self.instance.task, task
            self.send("update", old_task_state=old or None, new_task_state=task or None)

    def exists(self, begin: datetime, end: datetime, **payload: Any) -> None:
        """Send the record that is to be verified."""
        traffic = {"bw_in": self.random.randrange(10**9), "bw_out": self.random.randrange(10**9)}
        period = {"audit_period_beginning": shown(begin), "audit_period_ending": shown(end)}
        self.send("exists", bandwidth={"public": traffic}, **period, **payload)

    def exists_so_far(self) -> None:
        """Send the record of a part of the day: it is verified, with a warning."""
        begin = datetime.combine(self.day, time(), UTC)
        self.exists(begin, self.now.replace(microsecond=0))
        self.verdicts += ["warnings", "verified"]

    def close_day(self) -> None:
        """Send the record of the whole day, in the first hour of the next."""
        begin = datetime.combine(self.day, time(), UTC)
        self.now = begin + ONE_DAY
        self.wait(60, 50 * 60)
        payload: dict[str, Any] = {}
        if self.fault is Fault.NO_LAUNCHED_AT:
            payload["launched_at"] = ""
        if self.fault is Fault.WRONG_FLAVOR:
            other = replace(self.instance, flavor=FLAVORS[0]).payload()
            payload = {key: other[key] for key in other if key.startswith("instance_type")}
        if self.fault is not Fault.LOST_EXISTS:
            self.exists(begin, begin + ONE_DAY, **payload)
        self.verdicts.append(OUTCOME.get(self.fault, "verified") if self.fault else "verified")

    def disturb_delivery(self) -> None:
        """Deliver one of the day's notifications late, or twice; still before its record."""
        index = self.random.randrange(len(self.sent) - 1)
        delay = timedelta(seconds=self.random.randint(60, 20 * 60))
        if self.fault is Fault.LATE:
            self.sent[index] = (delay, self.sent[index][1])
        elif self.fault is Fault.REDELIVERED:
            self.sent.append((delay, self.sent[index][1]))

    def truth(self, life: str) -> Truth:
        """What is known of this day."""
        ids = [n["message_id"] for _, n in self.sent if n["event_type"].startswith("compute.")]
        return Truth(
            instance_id=self.instance.id,
            day=self.day.isoformat(),
            life=life,
            verdicts=tuple(self.verdicts),
            event_ids=tuple(dict.fromkeys(ids)),
            fault=self.fault.value if self.fault else None,
        )


def create(day: InstanceDay) -> None:
    """A new instance is scheduled, built and started."""
    day.instance.created_at = day.now
    day.send("scheduler.run_instance.start", service="scheduler")
    day.send("scheduler.run_instance.end", service="scheduler")
    day.update(1, "scheduling")
    day.send("create.start", image_name="golden")
    day.update(2, "networking")
    day.update(3, "spawning")
    day.wait(10, 90)
    day.instance.launched_at, day.instance.state = day.now.replace(microsecond=0), "active"
    day.update(1)
    day.send("create.end", message="Success")


def work(day: InstanceDay) -> None:
    """A running instance is rebooted, and a snapshot of it is made."""
    for task, kind in (("rebooting", "reboot"), ("image_snapshot", "snapshot")):
        day.wait(600, 2 * 3600)
        day.update(3, task)
        day.send(f"{kind}.start")
        day.wait(5, 60)
        day.send(f"{kind}.end")
        day.update(2)


def delete(day: InstanceDay) -> None:
    """An instance is shut down and deleted."""
    day.wait(600, 3 * 3600)
    day.update(2, "deleting")
    day.send("delete.start")
    day.send("shutdown.start")
    day.wait(2, 30)
    day.send("shutdown.end")
    day.instance.state, day.instance.deleted_at = "deleted", day.now.replace(microsecond=0)
    day.update(1)
    if day.fault is not Fault.LOST_DELETE:
        day.send("delete.end")
    if day.fault is Fault.SECOND_DELETE:
        day.wait(1, 30)
        day.send("delete.end")


def resize(day: InstanceDay) -> None:
    """An instance gets another flavor, and its owner confirms that."""
    larger = FLAVORS[-1] if day.instance.flavor is not FLAVORS[-1] else FLAVORS[1]
    day.exists_so_far()
    day.update(2, "resize_prep")
    day.send("resize.prep.start")
    day.send("resize.prep.end", new_instance_type=larger.name, new_instance_type_id=larger.type_id)
    day.send("resize.start")
    day.update(2, "resize_migrating")
    day.send("resize.end")
    day.send("finish_resize.start")
    day.wait(10, 90)
    day.instance.flavor, day.instance.state = larger, "resized"
    day.instance.launched_at = day.now.replace(microsecond=0)
    day.update(1)
    day.send("finish_resize.end")
    day.wait(60, 3600)
    day.send("resize.confirm.start")
    day.instance.state = "active"
    day.send("resize.confirm.end")


def rebuild(day: InstanceDay) -> None:
    """An instance gets a new disk from its image."""
    day.exists_so_far()
    day.update(2, "rebuilding")
    day.send("rebuild.start", image_name="golden")
    day.wait(10, 90)
    day.instance.launched_at = day.now.replace(microsecond=0)
    day.update(1)
    day.send("rebuild.end", image_name="golden")


Act = Callable[[InstanceDay], None]
LIVES: dict[str, tuple[Act, ...]] = {
    "created": (create, work),
    "short": (create, work, delete),
    "worked": (work, work),
    "resized": (work, resize),
    "rebuilt": (work, rebuild),
    "deleted": (work, delete),
}
"""What an instance may do in a day, act by act."""

FAULTS_OF_LIVES: dict[str, tuple[Fault, ...]] = {
    "created": (Fault.LOST_EXISTS, Fault.NO_LAUNCHED_AT),
    "short": (Fault.LOST_EXISTS, Fault.LOST_DELETE, Fault.SECOND_DELETE),
    "worked": (Fault.LOST_EXISTS, Fault.NO_LAUNCHED_AT),
    "resized": (Fault.WRONG_FLAVOR,),
    "rebuilt": (Fault.WRONG_FLAVOR,),
    "deleted": (Fault.LOST_EXISTS, Fault.LOST_DELETE, Fault.SECOND_DELETE),
}
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


def one_day() -> Load:
    """The demo's sample: fifteen instances on 14 March 2026, and their records the night after."""
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
    """A load of any size: on each day `instances` of them live; a deleted one is succeeded.

    `fault_rate` is the share of instances and days that get a fault with a verdict of its own,
    `delivery_fault_rate` that of late and repeated deliveries among the others.
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


def new_instance(source: random.Random, number: int, day: date) -> Instance:
    """An instance that is not built yet."""
    name = NAMES[number % len(NAMES)]
    return Instance(
        id=random_id(source),
        number=number,
        tenant_id=f"tenant-{source.randrange(6)}",
        user_id=f"user-{source.randrange(20)}",
        display_name=f"{name} {number}",
        host=f"node-{source.randrange(40):02d}",
        image=source.choice(IMAGES),
        flavor=source.choice(FLAVORS[1:]),
        created_at=datetime.combine(day, time(), UTC),
    )


def random_id(source: random.Random) -> str:
    """A random UUID that the seed determines."""
    return str(UUID(int=source.getrandbits(128), version=4))


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
    truths, arrivals = [], []
    for truth, sent in lived:
        truths.append(truth)
        for delay, notification in sent:
            sent_at = datetime.fromisoformat(notification["timestamp"])
            arrivals.append((sent_at + delay, len(arrivals), notification))
    arrivals.sort(key=lambda arrival: arrival[:2])
    return Load(tuple(notification for _, _, notification in arrivals), tuple(truths))


def main() -> None:
    """Write the demo's sample, or the load that the arguments ask for."""
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
