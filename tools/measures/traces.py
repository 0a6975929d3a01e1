"""Traces: the files and functions of the core that one event, or one stream, runs through.

Each trace runs a program of the project in a separate process, under `sys.setprofile` in all
threads. It uses only installed programs, their configuration and the package's public names, so
that it survives changes of the modules behind them. `STORAGE` and `TELEMETRY` are the only internal
names; a commit is detected as a call of `sqlite3.Connection.commit`.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import winchester_core
from winchester_core import StreamFilter, load_settings, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

CORE = f"{Path(winchester_core.__file__).parent}{os.sep}"
STORAGE = f"{CORE}storage{os.sep}"
TELEMETRY = f"{CORE}telemetry{os.sep}"

WARM_UP_EVENTS = 20
EVENTS_PER_STREAM = 8
DEADLINE_SECONDS = 60.0
QUIET_SECONDS = 0.3

CONFIGURATION = """\
database: {{url: "sqlite:///{directory}/trace.db"}}
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
pipeline_worker_delay: 1
event_sources:
  web: {{source: http, params: {{port: {port}}}}}
"""
TRIGGERS = """\
- name: trace
  distinguished_by: [instance_id, timestamp: day]
  match_criteria:
    - event_type: compute.*
      traits: {memory_mb: {numeric: "> 0"}}
  fire_criteria:
    - event_type: compute.exists
      timestamp: day
  expiration: $last + 1d
  fire_pipeline: note
"""
PIPELINES = "note: [logger]\n"

Trace = dict[str, list[str]]
"""The functions that ran, by file."""


@dataclass(slots=True)
class Recorder:
    """Records the functions of the core that run, in all threads, up to a commit.

    A function that was waiting when the recording began counts once it resumes.

    `is_done` is called after each commit and ends the recording. For a trace that begins with a
    transaction, `is_begun` is called first: once it is true, steps before the storage call that
    committed that transaction are dropped.
    """

    is_done: Callable[[], bool]
    is_begun: Callable[[], bool] | None = None
    with_logging: bool = True
    steps: list[tuple[int, CodeType, str]] = field(default_factory=list)
    telemetry_threads: set[int] = field(default_factory=set)
    seen_threads: set[int] = field(default_factory=set)
    is_recording: bool = False
    last_step: float = field(default_factory=monotonic)
    finished: threading.Event = field(default_factory=threading.Event)

    def install(self) -> None:
        """Observe this thread and all threads started later."""
        threading.setprofile(self.observe)
        sys.setprofile(self.observe)

    def start(self) -> None:
        """Start recording when no function of the core has run for `QUIET_SECONDS`."""
        _wait_until(lambda: monotonic() - self.last_step > QUIET_SECONDS)
        self.steps.clear()
        self.is_recording = True

    def observe(self, frame: FrameType, event: str, argument: Any) -> None:
        """Handle one event of `sys.setprofile`."""
        if frame.f_code.co_filename.startswith(CORE):
            self._handle_core_function(frame, event)
        if event == "c_return" and self.is_recording and _is_commit(argument):
            self._handle_commit(frame)

    def trace(self) -> Trace:
        """Return the functions that ran, by file."""
        files: dict[str, set[str]] = {}
        for thread, code, _ in self.steps:
            if thread not in self.telemetry_threads:
                name = f"{code.co_qualname}:{code.co_firstlineno}"
                files.setdefault(code.co_filename.removeprefix(CORE), set()).add(name)
        return {file: sorted(names) for file, names in sorted(files.items())}

    def _handle_core_function(self, frame: FrameType, event: str) -> None:
        thread, self.last_step = threading.get_ident(), monotonic()
        if thread not in self.seen_threads:
            self.seen_threads.add(thread)
            if frame.f_code.co_filename.startswith(TELEMETRY):
                self.telemetry_threads.add(thread)
        if self.is_recording and (self.with_logging or not _is_within_logging(frame)):
            self.steps.append((thread, frame.f_code, event))

    def _handle_commit(self, frame: FrameType) -> None:
        if self.is_begun is not None:
            if self.is_begun():
                self.is_begun = None
                begin = (threading.get_ident(), _call_into_storage(frame), "call")
                del self.steps[: len(self.steps) - 1 - self.steps[::-1].index(begin)]
        elif self.is_done():
            self.is_recording = False
            self.finished.set()


def _is_commit(function: Any) -> bool:
    return getattr(function, "__name__", "") == "commit" and isinstance(
        getattr(function, "__self__", None), sqlite3.Connection
    )


def _is_within_logging(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == logging.__file__:
            return True
        frame = frame.f_back
    return False


def _call_into_storage(frame: FrameType | None) -> CodeType:
    """Return the innermost core function outside of the storage that led to this frame."""
    found = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(STORAGE):
            found = frame.f_code
        elif file.startswith(CORE) and found is not None:
            return found
        frame = frame.f_back
    raise LookupError(f"no commit within {STORAGE}")


class Site:
    """A directory with a configuration: the http source, one trigger and SQLite."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = _free_port()
        self.config = directory / "winchester.yaml"
        (directory / "triggers.yaml").write_text(TRIGGERS)
        (directory / "pipelines.yaml").write_text(PIPELINES)
        self.config.write_text(CONFIGURATION.format(directory=directory, port=self.port))
        self.run("winchester_db", "-c", self.config, "upgrade", "head")
        self.store = open_store(load_settings(self.config))

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a program of the project and wait for its end."""
        path = Path(sys.executable).with_name(program)
        subprocess.run([path, *arguments], check=True, capture_output=True)

    def add(self, events: list[dict[str, Any]]) -> None:
        """Store events, by a separate process."""
        file = self.directory / "events.jsonl"
        file.write_text("".join(f"{json.dumps(each)}\n" for each in events))
        self.run("winchester", "ingest", "-c", self.config, "--file", file, "--format", "event")

    def post(self, event: dict[str, Any]) -> None:
        """Send one event over HTTP. Raises `RuntimeError` unless it is accepted."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            headers = {"content-type": "application/json"}
            connection.request("POST", "/v1/events", json.dumps(event), headers)
            status = connection.getresponse().status
        if status != http.HTTPStatus.ACCEPTED:
            raise RuntimeError(f"POST /v1/events returned status {status}")

    def has_event(self, message_id: str) -> bool:
        """Return whether an event is stored."""
        return self.store.has_event(message_id)

    def stream_states(self) -> set[str]:
        """Return the states of all streams."""
        return {each.state.value for each in self.store.find_streams(StreamFilter(), limit=10)}


def event_trace(site: Site) -> Trace:
    """Record one event from its POST to the commit that stores it, in a warm process."""
    recorder = Recorder(is_done=lambda: site.has_event("measured"))

    def drive() -> None:
        _wait_until(lambda: _accepts(site.port))
        for number in range(WARM_UP_EVENTS):
            site.post(_event(f"warm-{number}", "compute.update"))
        recorder.start()
        site.post(_event("measured", "compute.update"))

    _run("winchester", ["ingest", "-c", str(site.config)], recorder, drive)
    return recorder.trace()


def stream_trace(site: Site) -> Trace:
    """Record one stream of 8 events from its claim to its completion, in a warm process."""
    recorder = Recorder(
        is_begun=lambda: "firing" in site.stream_states(),
        is_done=lambda: not site.stream_states(),  # a completed stream is purged
        with_logging=False,
    )

    def drive() -> None:
        site.add(_ready_stream("warm"))
        _wait_until(lambda: not site.stream_states())
        recorder.start()
        site.add(_ready_stream("measured"))

    _run("winchester-worker", ["-c", str(site.config)], recorder, drive)
    return recorder.trace()


def _run(program: str, arguments: list[str], recorder: Recorder, drive: Callable[[], None]) -> None:
    """Run a program in this thread under the recorder, and `drive`, its load, in another."""
    failures: list[BaseException] = []

    def drive_and_stop() -> None:
        sys.setprofile(None)  # the driver is not part of the program
        try:
            drive()
            if not recorder.finished.wait(DEADLINE_SECONDS):
                raise TimeoutError(f"{program} has not committed the measured work")
        except BaseException as error:  # noqa: BLE001 - raised below, in the main thread
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    (script,) = entry_points(group="console_scripts", name=program)
    main = script.load()
    recorder.install()
    threading.Thread(target=drive_and_stop, daemon=True).start()
    status = main(arguments)
    sys.setprofile(None)
    if failures:
        raise failures[0]
    if status:
        raise RuntimeError(f"{program} ended with status {status}")


def _event(message_id: str, event_type: str, instance_id: str = "open") -> dict[str, Any]:
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": datetime.now(UTC).isoformat(),
        "instance_id": instance_id,
        "memory_mb": 2048,
    }


def _ready_stream(instance_id: str) -> list[dict[str, Any]]:
    types = ["compute.update"] * (EVENTS_PER_STREAM - 1) + ["compute.exists"]
    return [
        _event(f"{instance_id}-{number}", each, instance_id) for number, each in enumerate(types)
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(condition: Callable[[], bool]) -> None:
    until = monotonic() + DEADLINE_SECONDS
    while not condition():
        if monotonic() > until:
            raise TimeoutError
        sleep(0.02)


TRACES = {"event": event_trace, "stream": stream_trace}


def run_trace(name: str) -> Trace:
    """Run one trace in a separate process."""
    command = [sys.executable, "-m", "tools.measures.traces", name]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"the trace of one {name} failed:\n{run.stderr}")
    trace: Trace = json.loads(run.stdout.splitlines()[-1])
    return trace


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        print(json.dumps(TRACES[sys.argv[1]](Site(Path(directory)))), flush=True)
