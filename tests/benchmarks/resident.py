"""Memory of this process, from /proc."""

from __future__ import annotations

import re
from pathlib import Path

MIB = 1 << 20
_STATUS = Path("/proc/self/status")


def resident_mib() -> float:
    """Return the resident memory in MiB."""
    return _field("VmRSS")


def peak_mib() -> float:
    """Return the peak of resident memory since `reset_peak`, in MiB."""
    return _field("VmHWM")


def reset_peak() -> None:
    """Reset the peak to the current resident memory."""
    Path("/proc/self/clear_refs").write_text("5")


def _field(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{_STATUS} has no {name}")
    return int(found[1]) / 1024
