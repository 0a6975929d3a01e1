"""How much memory this process has, as /proc tells it."""

from __future__ import annotations

import re
from pathlib import Path

MIB = 1 << 20
_STATUS = Path("/proc/self/status")


def resident_mib() -> float:
    """The resident memory."""
    return _field("VmRSS")


def peak_mib() -> float:
    """The most resident memory since `forget_peak`."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Let the peak be what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def _field(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{_STATUS} does not tell {name}")
    return int(found[1]) / 1024
