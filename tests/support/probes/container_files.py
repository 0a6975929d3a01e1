"""The configuration in etc/container/site, and the instructions of the Dockerfile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CONTAINER = ROOT / "etc" / "container"
SITE = CONTAINER / "site"
KUBERNETES = ROOT / "etc" / "kubernetes"

SECRET = "0123456789abcdef0123456789abcdef"
VALUES = {
    "WINCHESTER_DATABASE_URL": "postgresql+psycopg://winchester:secret@postgresql/winchester",
    "WINCHESTER_WEB_TOKEN": SECRET,
    "WINCHESTER_GITHUB_SECRET": SECRET,
    "WINCHESTER_OPERATOR_TOKEN": SECRET,
    "WINCHESTER_PUBLIC_URL": "https://events.example.org",
}
"""Valid values of the variables that the configuration requires."""


def required_variables() -> set[str]:
    """Return the environment variables without a default in the configuration."""
    text = "".join(path.read_text() for path in SITE.glob("*.yaml"))
    return set(re.findall(r"\$\{(\w+)\}", text))


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction of a Dockerfile: its name in upper case, and the rest of its logical line."""

    name: str
    value: str


def stages(path: Path) -> list[list[Instruction]]:
    """Return the instructions of each stage of a Dockerfile; the first list precedes all stages."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = [[]]
    for line in filter(str.strip, "\n".join(lines).replace("\\\n", " ").splitlines()):
        name, _, value = line.partition(" ")
        if name.upper() == "FROM":
            found.append([])
        found[-1].append(Instruction(name.upper(), value.strip()))
    return found
