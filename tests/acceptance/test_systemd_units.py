"""The systemd templates start existing programs with existing options."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from configparser import ConfigParser
from typing import TYPE_CHECKING

import pytest

from winchester_core.cli.commands import worker as worker_program
from winchester_core.cli.commands.console import DEFAULT_PORT, ConsoleCommand
from winchester_core.config import load_settings
from winchester_core.service.exit import CLEANUP_SECONDS, FLUSH_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

UNITS = [
    "winchester-worker@.service",
    "winchester-ingest@.service",
    "winchester-console.service",
]


def unit(checkout: Path, name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((checkout / "etc" / "systemd" / name).read_text())
    return parser


@pytest.mark.parametrize("name", UNITS)
def test_a_configuration_error_does_not_cause_restarts(checkout: Path, name: str) -> None:
    service = unit(checkout, name)["Service"]
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == "2"
    assert service["KillSignal"] == "SIGTERM"


def test_the_worker_is_started_with_existing_options(checkout: Path) -> None:
    words = shlex.split(unit(checkout, UNITS[0])["Service"]["ExecStart"])
    assert words[:2] == ["/usr/bin/env", "winchester-worker"]
    parsed = worker_program.build_parser().parse_args(words[2:])
    assert parsed.config == "/etc/winchester/winchester.yaml"
    assert parsed.name == "%H-%i"


def test_ingest_is_started_on_the_configured_sources(checkout: Path) -> None:
    words = shlex.split(unit(checkout, UNITS[1])["Service"]["ExecStart"])
    assert words == [
        *("/usr/bin/env", "winchester", "ingest"),
        *("-c", "/etc/winchester/winchester.yaml"),
    ]


def test_the_console_is_started_with_existing_options(checkout: Path) -> None:
    words = shlex.split(unit(checkout, UNITS[2])["Service"]["ExecStart"])
    assert words[:3] == ["/usr/bin/env", "winchester", "console"]
    parsed = ConsoleCommand(None, None).get_parser("winchester console").parse_args(words[3:])
    assert parsed.config == "/etc/winchester/winchester.yaml"
    assert parsed.listen == ("127.0.0.1", DEFAULT_PORT)


@pytest.mark.parametrize("name", UNITS)
def test_a_reload_checks_the_configuration_and_signals_the_main_process(
    checkout: Path, name: str
) -> None:
    words = shlex.split(unit(checkout, name)["Service"]["ExecReload"])
    assert words == [
        *("/usr/bin/env", "winchester", "reload"),
        *("-c", "/etc/winchester/winchester.yaml", "--pid", "$MAINPID"),
    ]


@pytest.mark.parametrize("name", UNITS)
def test_the_units_use_notify_and_watchdog(checkout: Path, name: str) -> None:
    service = unit(checkout, name)["Service"]
    assert service["Type"] == "notify"
    assert service["WatchdogSec"] == "1min"


@pytest.mark.parametrize("name", UNITS)
def test_systemd_waits_longer_than_the_shutdown_timeout(checkout: Path, name: str) -> None:
    bound = load_settings({"database": {"url": "sqlite://"}}).shutdown_timeout
    assert unit(checkout, name)["Service"]["TimeoutStopSec"] == "1min"
    assert bound + 2 * CLEANUP_SECONDS + FLUSH_SECONDS < 60


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is absent")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_analyze_finds_nothing(checkout: Path, name: str, tmp_path: Path) -> None:
    instance = tmp_path / name.replace("@", "@1")
    shutil.copy(checkout / "etc" / "systemd" / name, instance)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", instance],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
