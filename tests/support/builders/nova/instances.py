"""Instances of OpenStack Nova, and the payload of their notifications.

The shape is that of Nova's unversioned notifications; all names, ids and figures are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import random
    from datetime import date


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
    """Current state of an instance in Nova."""

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
        """Return the part common to all notifications about the instance."""
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
    """Format a time as in Nova's payloads: naive UTC, or empty."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000") if moment else ""


def new_instance(source: random.Random, number: int, day: date) -> Instance:
    """Return an instance that is not built yet."""
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
    """Return a random UUID determined by the seed."""
    return str(UUID(int=source.getrandbits(128), version=4))
