"""Every example of README, tutorial, how-to and reference runs and prints what the page shows."""

from __future__ import annotations

import gzip
import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from voluptuous import Invalid

from support.probes.page_blocks import DOCS, PAGES, ROOT, Block, blocks_of
from support.probes.page_yaml import check, kind_of
from support.scenes.page_shell import PageShell, shows, steps_of
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

README = blocks_of(ROOT / "README.md", ROOT)
YAML_BLOCKS = [
    block
    for page in [ROOT / "README.md", *PAGES]
    for block in blocks_of(page, ROOT)
    if block.language == "yaml" and block.key is None
]
NOT_RUN = {
    "make ": "runs in a fresh clone, and these tests are one of its targets",
    "pip install ": "needs a package index",
    "winchester console ": "serves until it is stopped, and tests/console runs it",
}
"""README commands that are not run here, and why."""


def has_steps(page: Path) -> bool:
    """Return whether a page has commands or programs to run."""
    return any(
        block.language in ("console", "python") and block.key != "skip"
        for block in blocks_of(page, ROOT)
    )


@pytest.mark.parametrize(
    "page", [page for page in PAGES if has_steps(page)], ids=lambda page: page.stem
)
def test_a_page_can_be_followed_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    shell = PageShell(tmp_path)

    for block in blocks_of(page, ROOT):
        shell.follow(block)


def test_the_tutorial_ends_with_a_fired_and_an_expired_stream() -> None:
    printed = "".join(block.text for block in blocks_of(DOCS / "tutorial.md", ROOT))

    assert "pipeline run: stream=2 reason=fire events=2 trigger=backup" in printed
    assert "pipeline run: stream=1 reason=expire events=1 trigger=backup" in printed


@pytest.fixture
def site(tmp_path: Path) -> PageShell:
    """A directory where README's commands work, with a file of notifications."""
    shutil.copytree(ROOT / "etc", tmp_path / "etc")
    recorded = gzip.decompress((ROOT / "etc" / "sample" / "one_day.jsonl.gz").read_bytes())
    (tmp_path / "notifications.jsonl").write_bytes(recorded)
    return PageShell(tmp_path)


def test_the_readme_commands_run(site: PageShell) -> None:
    steps = [step for block in README if block.language == "sh" for step in steps_of(block)]
    here = [step for step in steps if not step.command.startswith(tuple(NOT_RUN))]

    assert len(here) >= 5
    for prefix in NOT_RUN:
        assert any(step.command.startswith(prefix) for step in steps), prefix
    for step in here:
        status, output = site.run(step.command)
        assert status == 0, f"{step.place}: {output}"


def test_the_readme_program_runs(site: PageShell) -> None:
    status, output = site.run("winchester_db -c etc/winchester.yaml upgrade head")
    assert status == 0, output
    site.directory = site.directory / "etc"
    status, output = site.run("winchester_db -c winchester.yaml upgrade head")
    assert status == 0, output
    event = {
        "message_id": "1",
        "event_type": "compute.instance.x",
        "timestamp": "2026-03-14T10:00Z",
    }

    (program,) = (block for block in README if block.language == "python")
    site.run_python(program, f"events = [{event | {'instance_id': 'i-1'}}]\n")

    status, listed = site.run("winchester event list -c winchester.yaml -f json")
    assert status == 0, listed
    assert [each["message_id"] for each in json.loads(listed)] == ["1"]


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=lambda block: block.place)
def test_a_yaml_block_is_valid_for_the_program(block: Block) -> None:
    check(yaml.safe_load(block.text))


def test_every_file_written_on_a_page_is_used_by_a_command() -> None:
    for page in PAGES:
        blocks = blocks_of(page, ROOT)
        written = [block for block in blocks if block.key in ("file", "append")]
        assert not written or has_steps(page), page


# --- the tools themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("one\ntwo\n", "one  \ntwo\n\n", True),
        ("one\n", "one\ntwo\n", False),
        ("", "one\n", False),
        ("", "", True),
        ("at ...: done\n", "at 10:00: done\n", True),
        ("at ...: done\n", "at 10:00: failed\n", False),
        ("first\n...\nlast\n", "first\nlast\n", True),
        ("first\n...\nlast\n", "first\na\nb\nlast\n", True),
        ("first\n...\nlast\n", "first\na\n", False),
        ("a.b\n", "axb\n", False),
    ],
)
def test_the_output_on_a_page_is_compared_line_by_line(
    expected: str, output: str, same: bool
) -> None:
    assert shows(expected, output) is same


def test_unexpected_output_of_a_command_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```console\n$ echo two\none\n```\n")
    (block,) = blocks_of(tmp_path / "page.md", tmp_path)

    with pytest.raises(AssertionError, match=r"page\.md:2: echo two"):
        PageShell(tmp_path).follow(block)


def test_a_failing_command_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```console\n$ false\n```\n")
    (block,) = blocks_of(tmp_path / "page.md", tmp_path)

    with pytest.raises(AssertionError, match=r"page\.md:2: false"):
        PageShell(tmp_path).follow(block)


@pytest.mark.parametrize(
    ("text", "kind", "refusal"),
    [
        ("databse: {url: sqlite://}", "", ValueError),
        ("clock: sundial", "settings", ConfigurationError),
        ("- match_criteria: []", "triggers", ConfigurationError),
        ("- traits: {a: {int: many}}", "criteria", Invalid),
        ("done: [loger]", "pipelines", ConfigurationError),
        ("- event_type: x\n  traits: {a: {fields: '['}}", "event definitions", ConfigurationError),
    ],
)
def test_invalid_yaml_of_any_kind_is_found(text: str, kind: str, refusal: type[Exception]) -> None:
    content = yaml.safe_load(text)

    assert kind_of(content) == kind
    with pytest.raises(refusal):
        check(content)
