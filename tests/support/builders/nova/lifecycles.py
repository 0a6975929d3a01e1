"""Lifecycles of an instance in a day, operation by operation."""

from __future__ import annotations

from collections.abc import Callable

from support.builders.nova.instance_day import Fault, InstanceDay
from support.builders.nova.instances import FLAVORS


def create(day: InstanceDay) -> None:
    """Schedule, build and start a new instance."""
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
    """Reboot a running instance, and make a snapshot of it."""
    for task, kind in (("rebooting", "reboot"), ("image_snapshot", "snapshot")):
        day.wait(600, 2 * 3600)
        day.update(3, task)
        day.send(f"{kind}.start")
        day.wait(5, 60)
        day.send(f"{kind}.end")
        day.update(2)


def delete(day: InstanceDay) -> None:
    """Shut an instance down and delete it."""
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
    """Change the flavor of an instance, and confirm it."""
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
    """Rebuild the disk of an instance from its image."""
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
"""The operations of each kind of day. All but the first two need a running instance."""

FAULTS_OF_LIVES: dict[str, tuple[Fault, ...]] = {
    "created": (Fault.LOST_EXISTS, Fault.NO_LAUNCHED_AT),
    "short": (Fault.LOST_EXISTS, Fault.LOST_DELETE, Fault.SECOND_DELETE),
    "worked": (Fault.LOST_EXISTS, Fault.NO_LAUNCHED_AT),
    "resized": (Fault.WRONG_FLAVOR,),
    "rebuilt": (Fault.WRONG_FLAVOR,),
    "deleted": (Fault.LOST_EXISTS, Fault.LOST_DELETE, Fault.SECOND_DELETE),
}
