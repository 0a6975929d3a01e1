"""Several programs running on one site, none of which outlives the test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import SCRIPTS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.sites import Site

END_SECONDS = BOUND_SECONDS


ENDED_BY_SIGTERM = (-signal.SIGTERM, 128 + signal.SIGTERM)
"""Killed by the signal; or exited, when the main thread did not handle it within a second."""


class RunningProgram:
    """Running program; its standard output and standard error go to `log`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, start: int) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._start = start

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Return whether the program has not exited; a stopped (SIGSTOP) program still runs."""
        return self._process.poll() is None

    @property
    def is_stopped(self) -> bool:
        """Return whether the program is stopped by SIGSTOP."""
        if not self.is_running:
            return False
        return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal; ignored if it has ended."""
        self._process.send_signal(signum)

    def stop(self) -> None:
        """Stop it at once; its connections stay open."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, even when stopped, and wait for its end."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself."""
        wait_until(lambda: self.is_stopped or not self.is_running)
        assert self.is_running, self.text()

    def wait(self) -> int:
        """Wait for its end; return its exit status, minus the signal's number when killed."""
        return self._process.wait(END_SECONDS)

    def end(self) -> int:
        """Send SIGTERM; return its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of its response on the address of metrics and health."""
        (port,) = re.findall(r"serving metrics and health: host=.* port=(\d+)", self.text())
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}{path}", timeout=BOUND_SECONDS
            ) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def text(self) -> str:
        """Return its output and log, without those of earlier programs of its name."""
        return self.log.read_bytes()[self._start :].decode()


class ProgramGroup:
    """Made and dismissed by `program_group`."""

    def __init__(self, site: Site) -> None:
        self.members: list[RunningProgram] = []
        self._site = site

    def start(self, name: str, program: str, *arguments: str | Path) -> RunningProgram:
        """Start a program; it appends to the log of its name."""
        log = self._site.path / f"{name}.log"
        with log.open("ab") as output:
            start = output.tell()
            process = subprocess.Popen(
                [SCRIPTS / program, *arguments],
                cwd=self._site.path,
                env=self._site.environ(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        member = RunningProgram(name, process, log, start)
        self.members.append(member)
        return member

    def worker(self, name: str, *arguments: str) -> RunningProgram:
        """Start a worker."""
        command = ["winchester-worker", "-c", self._site.config, "-n", name, *arguments]
        return self.start(name, *command)

    def dismiss(self) -> None:
        """Kill all running or stopped programs, and wait for their ends."""
        for member in self.members:
            member.kill()


@contextmanager
def program_group(site: Site) -> Iterator[ProgramGroup]:
    """Run programs on `site`; kill the rest at the end."""
    programs = ProgramGroup(site)
    try:
        yield programs
    finally:
        programs.dismiss()
