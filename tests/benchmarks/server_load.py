"""Processor time of a database server on this machine, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROC = Path("/proc")
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_OWN_OF_POSTGRESQL = ("postgres: walwriter", "postgres: checkpointer", "postgres: background")


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """Processor seconds of the processes that serve one database.

    PostgreSQL: the backends of the database and the common writer processes. MariaDB: the one
    process of all databases, including other work.
    """

    backend: str
    database: str

    def seconds(self) -> dict[int, float]:
        """Return the processor seconds by process; empty if the server is on another machine."""
        return {pid: _cpu_seconds(pid) for pid, command in _commands() if self._is_ours(command)}

    def since(self, before: dict[int, float]) -> float | None:
        """Return the processor seconds since `before`, without processes that have ended."""
        now = self.seconds()
        if not now:
            return None
        return sum(seconds - before.get(pid, 0.0) for pid, seconds in now.items())

    def _is_ours(self, command: str) -> bool:
        return _RULES[self.backend](command, self.database)


def _is_postgresql(command: str, database: str) -> bool:
    serves = command.startswith("postgres:") and f" {database} " in command
    return serves or command.startswith(_OWN_OF_POSTGRESQL)


def _is_mariadb(command: str, _database: str) -> bool:
    return Path(command.partition(" ")[0]).name in ("mariadbd", "mysqld")


_RULES: dict[str, Callable[[str, str], bool]] = {
    "postgresql": _is_postgresql,
    "mariadb": _is_mariadb,
}


def _commands() -> Iterator[tuple[int, str]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes()
            except OSError:  # the process has ended
                continue
            yield int(entry.name), text.replace(b"\0", b" ").decode(errors="replace")


def _cpu_seconds(pid: int) -> float:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * _TICK_SECONDS
