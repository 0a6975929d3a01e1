"""Id of a worker, which shows a later process with the same name that the worker has ended.

The id is `name:pid:start:boot:host:token`. `start` is the start time of the process in clock ticks
since boot, `boot` the beginning of the kernel's boot id, `host` a digest of the host's name,
machine id and pid namespace, and `token` is random. If an id does not contain enough information,
as on a system without /proc, its process is assumed to be alive.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNKNOWN: Final = "-"
_DEAD_STATES: Final = frozenset("ZX")
"""States of a process that has ended: zombie, dead."""


@dataclass(frozen=True, slots=True)
class _ProcessId:
    name: str
    pid: str
    start: str
    boot: str
    host: str


def make_worker_id(name: str | None) -> str:
    """Return an id that is unique among all processes with the same `name`."""
    pid = os.getpid()
    start = start_ticks(pid) or _UNKNOWN
    parts = (name or socket.gethostname(), pid, start, _boot_id(), _host_id(), secrets.token_hex(4))
    return ":".join(map(str, parts))[-255:]


def is_gone(other: str, own: str) -> bool:
    """Return whether the process with the id `other` had this name and host, and has ended."""
    its, mine = _parse(other), _parse(own)
    if its is None or mine is None or (its.name, its.host) != (mine.name, mine.host):
        return False
    if its.boot != mine.boot:
        return _UNKNOWN not in (its.boot, mine.boot)
    return its.start != _UNKNOWN and not _is_running(int(its.pid), its.start)


def _parse(worker_id: str) -> _ProcessId | None:
    parts = worker_id.rsplit(":", 5)
    if len(parts) != 6 or not parts[1].isdigit():
        return None
    return _ProcessId(*parts[:5])


def _is_running(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # the process exists and belongs to another user
    found = start_ticks(pid)
    return found is None or found == start


def start_ticks(pid: int) -> str | None:
    """Return the start of a process in clock ticks since boot, "ended", or None if unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name in front of it may contain spaces
    return "ended" if fields[0] in _DEAD_STATES else fields[19]


def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id")[:8] or _UNKNOWN


def _host_id() -> str:
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    facts = (socket.gethostname(), _read("/etc/machine-id"), namespace)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
