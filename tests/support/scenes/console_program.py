"""The program `winchester console` on a free port of this host."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.scenes.sites import wait_until
from support.servers.private_servers import free_port

if TYPE_CHECKING:
    from support.scenes.program_groups import ProgramGroup, RunningProgram

PROBED_PATH = "/static/console.css"


@dataclass(frozen=True)
class RunningConsole:
    """A console that accepts requests at `url`, which has no final slash."""

    url: str
    program: RunningProgram


def start_console(
    programs: ProgramGroup,
    *options: str,
    config: str = "winchester.yaml",
    port: int | None = None,
) -> RunningConsole:
    """Start a console, and wait until it accepts requests."""
    port = port or free_port()
    listen = ("--listen", f"127.0.0.1:{port}")
    command = ("winchester", "console", "-c", config, *listen, *options)
    program = programs.start(f"console-{port}", *command)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: not program.is_running or _answers(url))
    assert program.is_running, program.text()
    return RunningConsole(url, program)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + PROBED_PATH, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
