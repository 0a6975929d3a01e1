"""The triggers on the page about other tools are files with test cases in etc/examples.

The test cases run in tests/acceptance/test_test_command.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from support.probes.page_blocks import DOCS, ROOT, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

PAGE = DOCS / "how-to" / "coming-from.md"
EXAMPLES = ROOT / "etc" / "examples" / "coming-from"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/triggers.yaml"))
ENTRY = re.compile(r"^- name: .*?(?=^- name: |\Z)", re.MULTILINE | re.DOTALL)


def entries_of(folder: Path) -> list[str]:
    """Return the text of each trigger in the folder's file."""
    return [each.strip() for each in ENTRY.findall((folder / "triggers.yaml").read_text())]


def test_the_page_shows_every_trigger_of_the_files_and_no_other() -> None:
    shown = [
        block.text.strip()
        for block in blocks_of(PAGE, ROOT)
        if block.language == "yaml" and block.key is None
    ]
    shipped = [entry for folder in FOLDERS for entry in entries_of(folder)]
    assert len(shipped) >= 20
    assert sorted(shown) == sorted(shipped)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_trigger_has_a_case_in_which_a_run_or_a_stream_is_expected(folder: Path) -> None:
    triggers = yaml.safe_load((folder / "triggers.yaml").read_text())
    cases = yaml.safe_load((folder / "cases.yaml").read_text())["cases"]
    names = {trigger["name"] for trigger in triggers}
    assert {case["name"].split()[0] for case in cases} == names
    expected = {
        item["trigger"]
        for case in cases
        for expect in [case.get("expect", {}), *(step.get("expect", {}) for step in case["steps"])]
        for kind in ("runs", "streams")
        for item in expect.get(kind, ())
        if "trigger" in item
    }
    assert expected == names


def test_the_index_of_the_examples_names_every_folder() -> None:
    index = (EXAMPLES / "README.md").read_text()
    assert all(f"]({folder.name}/)" in index for folder in FOLDERS)
