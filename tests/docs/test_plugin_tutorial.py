"""Following the plugin tutorial in an empty directory gives working plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.probes.page_blocks import blocks_of
from support.scenes.author_environment import make_environment
from support.scenes.package_installation import require_setuptools
from support.scenes.page_shell import PageShell

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial-plugins.md"


@pytest.mark.packaging
def test_the_plugin_tutorial_can_be_followed_from_top_to_bottom(tmp_path: Path) -> None:
    require_setuptools()
    reader = tmp_path / "reader"
    reader.mkdir()
    shell = PageShell(reader, dict(make_environment(tmp_path / "venv")))

    for block in blocks_of(PAGE, ROOT):
        shell.follow(block)

    notes = sorted(path.name for path in (reader / "office" / "notes").iterdir())
    assert notes == ["anna-2.txt", "bert-1.txt"]


def test_the_tutorial_covers_every_kind_of_plugin_of_a_pipeline() -> None:
    commands = "".join(b.text for b in blocks_of(PAGE, ROOT) if b.language == "console")

    for kind in ("condition", "source", "handler"):
        assert f"$ winchester plugin new {kind} " in commands
