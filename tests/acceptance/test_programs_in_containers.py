"""Programs run as process 1 on a read-only file system, as in a container."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.probes.container_files import CONTAINER, SITE, VALUES, stages
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.databases import temporary_database

if TYPE_CHECKING:
    from collections.abc import Mapping

ISOLATED = [
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc"),
    """
    mount --make-rprivate /
    grep -E ' (ext[234]|xfs|btrfs|overlay|tmpfs) ' /proc/self/mounts | while read -r _ folder _; do
        mount -o remount,bind,ro "$folder" 2>/dev/null || true
    done
    mount -t proc proc /proc
    exec "$@"
    """,
    "sh",
]
"""Prefix of a command that becomes process 1 and cannot write to any disk."""

SIGNAL_AGAIN_SECONDS = 20
"""Python loses an interrupt that arrives in a destructor, so the signal is repeated."""

MAIN = "from winchester_core.cli.{} import main; raise SystemExit(main())"
PROGRAMS = {
    "winchester_db": MAIN.format("commands.database"),
    "winchester-worker": MAIN.format("commands.worker"),
}


@functools.cache
def _refusal() -> str | None:
    """Return why this host cannot isolate a program, or None."""
    probe = 'echo $$; ! touch "$0"'
    try:
        ended = subprocess.run(
            [*ISOLATED, "sh", "-c", probe, str(Path.cwd() / ".written")],
            capture_output=True,
            text=True,
            timeout=BOUND_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return "unshare is absent"
    if (ended.returncode, ended.stdout) == (0, "1\n"):
        return None
    return f"no namespaces with a read-only root: {ended.stderr.strip()}"


@pytest.fixture(autouse=True)
def isolation() -> None:
    if reason := _refusal():
        pytest.skip(reason)


def start(program: str, *arguments: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program with the site's configuration."""
    return subprocess.Popen(
        [*ISOLATED, sys.executable, "-c", PROGRAMS[program], *arguments],
        cwd=SITE,
        env={**os.environ, **environment, "WINCHESTER_CONFIG": "winchester.yaml"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_site_needs_no_writable_directory(tmp_path: Path) -> None:
    with temporary_database("postgresql", tmp_path) as url:
        environment = VALUES | {"WINCHESTER_DATABASE_URL": url}
        for program, arguments in (
            ("winchester_db", ["upgrade", "head"]),
            ("winchester-worker", ["--until-idle", "--metrics-listen", "127.0.0.1:0"]),
        ):
            process = start(program, *arguments, environment=environment)
            output, _ = process.communicate(timeout=BOUND_SECONDS)
            assert process.returncode == 0, output
            assert "Read-only" not in output


def test_the_stop_signal_ends_a_program_that_waits_for_the_database() -> None:
    _, _, image = stages(CONTAINER / "Dockerfile")
    (name,) = [each.value for each in image if each.name == "STOPSIGNAL"]
    environment = VALUES | {
        "WINCHESTER_DATABASE_URL": "postgresql+psycopg://winchester:secret@127.0.0.1:1/winchester"
    }
    process = start("winchester-worker", environment=environment)
    assert process.stdout is not None
    with process.stdout:
        lines = iter(process.stdout.readline, "")
        assert any("retrying" in line for line in lines), "the program has not waited"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (inner,) = map(int, children)
        wait_until(lambda: _has_ended(process, inner, signal.Signals[name]))
    # not the status of a shutdown: there was no handler yet
    assert process.returncode == 130


def _has_ended(process: subprocess.Popen[str], inner: int, signum: signal.Signals) -> bool:
    """Send the signal, and return whether the process ends after it."""
    with suppress(ProcessLookupError):
        os.kill(inner, signum)
    with suppress(subprocess.TimeoutExpired):
        process.wait(SIGNAL_AGAIN_SECONDS)
    return process.returncode is not None
