"""The examples in etc/examples give the results that they state."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.probes.page_blocks import blocks_of
from support.scenes.page_shell import PageShell
from winchester_core.config import load_settings

EXAMPLES = Path(__file__).resolve().parents[2] / "etc" / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/winchester.yaml"))
FILES = {
    "README.md",
    "cases.yaml",
    "events.jsonl",
    "expected.json",
    "pipelines.yaml",
    "triggers.yaml",
    "winchester.yaml",
}


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> PageShell:
    """A copy of an example's folder."""
    directory = tmp_path / request.param
    shutil.copytree(EXAMPLES / request.param, directory)
    return PageShell(directory)


def test_there_are_three_complete_examples() -> None:
    assert len(NAMES) >= 3
    for name in NAMES:
        assert {path.name for path in (EXAMPLES / name).iterdir()} == FILES


def test_the_index_names_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()

    assert all(f"]({name}/)" in index for name in NAMES)


def test_a_configuration_loads_without_a_warning(example: PageShell) -> None:
    settings = load_settings(
        example.directory / "winchester.yaml", needs=("database", "triggers", "pipelines")
    )

    assert settings.warnings == ()


def test_a_replay_gives_the_expected_result(example: PageShell) -> None:
    expected = json.loads((example.directory / "expected.json").read_text())

    assert outcome(example, expected["arguments"]) == expected


def test_the_readme_shows_the_output_of_its_commands(example: PageShell) -> None:
    for block in blocks_of(example.directory / "README.md", example.directory):
        example.follow(block)


def outcome(example: PageShell, arguments: list[str]) -> dict[str, Any]:
    """Return the summary of a replay and its streams in a fixed order."""
    example.environ["WINCHESTER_LOG_LEVEL"] = "critical"
    succeed(example, "winchester_db -c winchester.yaml upgrade head")
    replay = " ".join(["winchester replay -c winchester.yaml --file events.jsonl", *arguments])
    summary = json.loads(succeed(example, f"{replay} -f json"))
    streams = json.loads(
        succeed(example, "winchester stream list -c winchester.yaml --events -f json")
    )
    for stream in streams:
        del stream["id"]
    return {
        "arguments": arguments,
        "summary": summary,
        "streams": sorted(streams, key=lambda each: (each["first_event"], each["message_ids"])),
    }


def succeed(example: PageShell, command: str) -> str:
    """Run a command that must succeed; return its output."""
    status, output = example.run(command)
    assert status == 0, output
    return output
