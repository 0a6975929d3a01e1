"""Day of an instance: its notifications in order, its faults, and the expected verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from support.builders.nova.instances import FLAVORS, random_id, shown

if TYPE_CHECKING:
    import random
    from datetime import date

    from support.builders.nova.instances import Instance

ONE_DAY = timedelta(days=1)

Notification = dict[str, Any]


class Fault(StrEnum):
    """A fault of an instance on a day. The last two change no verdict."""

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
    """Expected results of one instance and day.

    `verdicts` are the events to be added, in order: `warnings`, `verified` or the code of a
    failure. `event_ids` are those of its notifications that become events of the stream.
    """

    instance_id: str
    day: str
    life: str
    verdicts: tuple[str, ...]
    event_ids: tuple[str, ...]
    fault: str | None = None


@dataclass
class InstanceDay:
    """The notifications of one instance on one day, with the delay of each."""

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
        """Advance by a random number of seconds."""
        self.now += timedelta(microseconds=self.random.randint(int(least * 1e6), int(most * 1e6)))

    def send(self, kind: str, service: str = "compute", **payload: Any) -> None:
        """Send one notification about the instance's current state, a moment later."""
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
        """Send the updates that Nova sends for each task state."""
        for _ in range(count):
            old, self.instance.task = self.instance.task, task
            self.send("update", old_task_state=old or None, new_task_state=task or None)

    def exists(self, begin: datetime, end: datetime, **payload: Any) -> None:
        """Send the record to be verified."""
        traffic = {"bw_in": self.random.randrange(10**9), "bw_out": self.random.randrange(10**9)}
        period = {"audit_period_beginning": shown(begin), "audit_period_ending": shown(end)}
        self.send("exists", bandwidth={"public": traffic}, **period, **payload)

    def exists_so_far(self) -> None:
        """Send the record of part of the day, which is verified with a warning."""
        begin = datetime.combine(self.day, time(), UTC)
        self.exists(begin, self.now.replace(microsecond=0))
        self.verdicts += ["warnings", "verified"]

    def close_day(self) -> None:
        """Send the record of the whole day, in the first hour of the next one."""
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
        """Deliver one of the day's notifications late, or twice, but before its record."""
        index = self.random.randrange(len(self.sent) - 1)
        delay = timedelta(seconds=self.random.randint(60, 20 * 60))
        if self.fault is Fault.LATE:
            self.sent[index] = (delay, self.sent[index][1])
        elif self.fault is Fault.REDELIVERED:
            self.sent.append((delay, self.sent[index][1]))

    def truth(self, life: str) -> Truth:
        """Return the expected results of this day."""
        ids = [n["message_id"] for _, n in self.sent if n["event_type"].startswith("compute.")]
        return Truth(
            instance_id=self.instance.id,
            day=self.day.isoformat(),
            life=life,
            verdicts=tuple(self.verdicts),
            event_ids=tuple(dict.fromkeys(ids)),
            fault=self.fault.value if self.fault else None,
        )
