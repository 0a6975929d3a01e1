"""The recorded load of the golden run, and the configuration to replay it with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

REPLACED = {"config_path", "database", "clock", "pipeline_handlers", "logging_config"}


def sandbox(shared_data: Path, directory: Path) -> Path:
    """Copy the sandbox's configuration with our database, clock and path, without notabene."""
    yaml = pytest.importorskip("yaml")
    origin = shared_data / "config" / "stacktach-sandbox"
    for name in ("triggers.yaml", "event_definitions.yaml"):
        shutil.copy(origin / "winchester" / name, directory / name)
    pipelines = yaml.safe_load((origin / "winchester" / "pipelines.yaml").read_text())
    kept = {
        name: [each for each in handlers if not isinstance(each, dict)]
        for name, handlers in pipelines.items()
    }
    (directory / "pipelines.yaml").write_text(yaml.safe_dump(kept))
    settings = yaml.safe_load((origin / "winchester.yaml").read_text())
    settings = {key: value for key, value in settings.items() if key not in REPLACED}
    settings |= {
        "config_path": str(directory),
        "clock": "event",
        "database": {"url": f"sqlite:///{directory / 'golden.db'}"},
        "pipeline_handlers": {
            "logger": "winchester.pipeline_handler:LoggingHandler",
            "usage": "winchester.pipeline_handler:UsageHandler",
        },
    }
    path = directory / "winchester.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def load_of(shared_data: Path) -> Path:
    """Return the notifications of the load."""
    return shared_data / "loads" / "lifecycle_4k.jsonl.gz"


def replay(shared_data: Path, directory: Path, changes: Mapping[str, str] | None = None) -> Path:
    """Replay the load by command with edited triggers; return the configuration."""
    config = sandbox(shared_data, directory)
    edit_triggers(config, changes or {})
    command("winchester_db", "-c", str(config), "upgrade", "head")
    command("winchester", "replay", "-c", str(config), "--file", str(load_of(shared_data)))
    return config


def edit_triggers(config: Path, changes: Mapping[str, str]) -> None:
    """Replace texts, which must exist, in the triggers of a configuration."""
    path = config.with_name("triggers.yaml")
    text = path.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def command(*arguments: str) -> str:
    """Run a console script of this environment; return its output."""
    program = str(Path(sys.executable).with_name(arguments[0]))
    finished = subprocess.run(
        [program, *arguments[1:]],
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
