"""Executes the instructions of a page from top to bottom, in an empty directory."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.probes.page_blocks import Block

SCRIPTS = Path(sysconfig.get_path("scripts"))
TIMEOUT_SECONDS = BOUND_SECONDS
SERVICE = re.compile(r"winchester-worker\b(?!.*--until-idle)(?!.* -d\b)")
"""A command that runs until stopped, and logs its start."""
STARTED = "worker started"


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a page, and the output shown for it (None: it shows none)."""

    command: str
    expected: str | None
    place: str


@dataclass
class PageShell:
    """Directory and environment of a reader who follows a page."""

    directory: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WINCHESTER_")}
        path = os.pathsep.join([str(SCRIPTS), kept.get("PATH", os.defpath)])
        self.environ = kept | {"PATH": path, "COLUMNS": "100", **self.environ}

    def follow(self, block: Block) -> None:
        """Execute a block. Raises `AssertionError` where the page is wrong."""
        if block.key == "skip":
            return
        if block.key == "file":
            (self.directory / block.value).write_text(block.text)
        elif block.key == "append":
            with (self.directory / block.value).open("a") as file:
                file.write(block.text)
        elif block.language in ("console", "sh"):
            self._run_all(block)
        elif block.language == "python":
            self.run_python(block)

    def run_python(self, block: Block, preamble: str = "") -> str:
        """Run a block of Python as a program; return its output."""
        status, output = self._run([sys.executable, "-c", preamble + block.text])
        assert status == 0, f"{block.place}: {output}"
        return output

    def run(self, command: str) -> tuple[int, str]:
        """Run one command; return its status and its combined output."""
        if command.startswith("cd "):
            self.directory = self.directory / shlex.split(command)[1]
            return 0, ""
        if SERVICE.match(command):
            return self._run_service(command)
        return self._run(["bash", "-c", command])

    def _run_all(self, block: Block) -> None:
        steps = list(steps_of(block))
        for step in steps:
            status, output = self.run(step.command)
            wanted = int(block.value) if block.key == "exit" and step is steps[-1] else 0
            assert status == wanted, f"{step.place}: {step.command}\n{output}"
            if step.expected is not None:
                assert shows(step.expected, output), (
                    f"{step.place}: {step.command}\n--- the page shows\n{step.expected}"
                    f"--- the command printed\n{output}"
                )

    def _run(self, arguments: list[str]) -> tuple[int, str]:
        ended = subprocess.run(
            arguments,
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return ended.returncode, ended.stdout

    def _run_service(self, command: str) -> tuple[int, str]:
        """Run a service until it has started, then stop it as an operator would."""
        log = self.directory / ".service.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while STARTED not in log.read_text() and process.poll() is None:
            assert time.monotonic() < deadline, f"{command}: did not begin its work"
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        return process.wait(TIMEOUT_SECONDS), log.read_text()


def steps_of(block: Block) -> Iterator[Step]:
    """Return the commands of a block: after `$ ` in a console, every line in a script."""
    if block.language == "sh":
        for number, line in enumerate(block.text.splitlines()):
            command = line.partition("  #")[0].strip()
            if command:
                yield Step(command, None, f"{block.page}:{block.line + number}")
        return
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not parts[0], f"{block.place}: a console begins with a command"
    number = block.line
    for part in parts[1:]:
        command, _newline, expected = part.partition("\n")
        yield Step(command, expected, f"{block.page}:{number}")
        number += part.count("\n")


def shows(expected: str, output: str) -> bool:
    """Return whether the page's output is the actual one; `...` matches what may differ.

    On a line of its own it matches any number of lines. Trailing spaces are ignored.
    """
    pattern = ""
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            parts = (re.escape(part) for part in line.rstrip().split("..."))
            pattern += ".*".join(parts) + r"\n"
    printed = "".join(f"{line.rstrip()}\n" for line in output.rstrip().splitlines())
    return re.fullmatch(pattern, printed) is not None
