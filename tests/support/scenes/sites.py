"""A directory with a configuration and a database, and programs run in it as by a user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
import time
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.bootstrap import load_settings, open_database, open_store
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from winchester_core.storage.sql.store import SqlStore

SCRIPTS = Path(sysconfig.get_path("scripts"))
TIMEOUT_SECONDS = BOUND_SECONDS

SETTINGS = """\
database: {{url: "{url}"}}
clock: event
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
"""

TRIGGERS = """\
- name: pair
  distinguished_by: [host]
  expiration: "$last + 1h"
  fire_pipeline: report
  expire_pipeline: report
  match_criteria:
    - event_type: "task.*"
  fire_criteria:
    - event_type: task.begin
    - event_type: task.end
"""

PIPELINES = "report: [logger]\n"


class Site:
    """A directory to run programs in, with the files `SETTINGS`, `TRIGGERS`, `PIPELINES`.

    Its database is an SQLite file there, unless `url` names another.
    """

    def __init__(self, path: Path, url: str | None = None) -> None:
        self.path = path
        self.config = path / "winchester.yaml"
        self.url = url or f"sqlite:///{path}/events.db"
        self._plugins: list[Path] = []
        self.write("winchester.yaml", SETTINGS.format(url=self.url))
        self.write("triggers.yaml", TRIGGERS)
        self.write("pipelines.yaml", PIPELINES)

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        file = self.path / name
        file.write_text(dedent(text))
        return file

    def add_settings(self, text: str) -> None:
        """Append to winchester.yaml."""
        self.write("winchester.yaml", self.config.read_text() + dedent(text))

    def install(self, group: str, name: str, attribute: str, source: str) -> None:
        """Install a plugin for the programs: an entry point and its module."""
        module = f"plugin_{name}"
        home = self.path / f"site-{name}"
        metadata = home / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute}\n")
        (home / f"{module}.py").write_text(dedent(source))
        self._plugins.append(home)

    def migrate(self) -> None:
        """Create the tables."""
        database = open_database(load_settings(self._database_settings()))
        try:
            DatabaseSchema(database).upgrade()
        finally:
            database.close()

    def store(self) -> closing[SqlStore]:
        """Open the store, to look at the work of a program."""
        return closing(open_store(load_settings(self._database_settings())))

    def write_events(self, name: str, events: Iterable[Mapping[str, Any]]) -> Path:
        """Write events as a file of JSON lines."""
        return self.write(name, "".join(json.dumps(event) + "\n" for event in events))

    def run(
        self, program: str, *arguments: str | Path, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, whatever its exit status."""
        return subprocess.run(
            [SCRIPTS / program, *arguments],
            cwd=self.path,
            env=self.environ(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def start(self, program: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a program; `end` it or wait for it."""
        return subprocess.Popen(
            [SCRIPTS / program, *arguments],
            cwd=self.path,
            env=self.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environ(self, added: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of its programs, with the plugins installed here."""
        environ = {key: value for key, value in os.environ.items() if key != "WINCHESTER_CONFIG"}
        homes = [*map(str, self._plugins), environ.get("PYTHONPATH", "")]
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, homes))
        return environ | dict(added or {})

    def _database_settings(self) -> dict[str, Any]:
        return {"database": {"url": self.url}}


def task_events(host: str, *, hour: int = 10, ends: bool = True) -> list[dict[str, Any]]:
    """Return the events of a half-hour task on `host` on 2015-01-20: begin and end."""
    events = [("begin", f"{hour}:00"), *([("end", f"{hour}:30")] if ends else [])]
    return [
        {
            "message_id": f"{host}-{name}",
            "event_type": f"task.{name}",
            "timestamp": f"2015-01-20T{moment}:00+00:00",
            "host": host,
            "cores": 4,
        }
        for name, moment in events
    ]


def wait_until(condition: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> None:
    """Poll until the condition holds. Raises `AssertionError` after the time limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out waiting for a condition"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Return whether there is such a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return _can_be_signalled(pid)
    return state != "Z"


def _can_be_signalled(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").is_dir()


def end(process: subprocess.Popen[str], signum: int = signal.SIGTERM) -> tuple[str, str]:
    """Send a signal and wait; return both outputs of the program."""
    process.send_signal(signum)
    process.wait(TIMEOUT_SECONDS)  # communicate would close its input first
    return process.communicate(timeout=TIMEOUT_SECONDS)
