"""`winchester init`: from nothing to streams that fired and expired."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import SCRIPTS, TIMEOUT_SECONDS
from winchester_core.cli.commands.init import FILES
from winchester_core.config import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Winchester
    from support.scenes.sites import Site


def _commands(printed: str) -> list[str]:
    return printed.partition(":\n\n")[2].splitlines()


@pytest.mark.parametrize("name", ["orders", "two words/and 'more' ${HOME} #1 ü"])
def test_the_three_printed_commands_work_as_printed(tmp_path: Path, site: Site, name: str) -> None:
    made = site.run("winchester", "init", name)
    assert (made.returncode, made.stderr) == (0, "")
    commands = _commands(made.stdout)
    assert len(commands) == 3
    pasted = subprocess.run(
        ["bash", "-e", "-c", "\n".join([*commands, f"{commands[2]} -f json | tee listed.json"])],
        cwd=tmp_path,
        env={"PATH": f"{SCRIPTS}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert pasted.returncode == 0, pasted.stderr
    assert "reason=fire events=3" in pasted.stderr
    assert "reason=expire events=2" in pasted.stderr
    streams = json.loads((tmp_path / "listed.json").read_text())
    assert {each["state"] for each in streams} == {"completed"}
    assert [each["fire_timestamp"] is not None for each in streams] == [True, False]
    assert (tmp_path / name / "winchester.db").exists()


def test_the_database_is_created_in_the_directory_from_anywhere(
    winchester: Winchester, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    winchester(site, "init", "orders")
    settings = load_settings(site.path / "orders" / "winchester.yaml")
    assert settings.database_url == f"sqlite:///{site.path.resolve()}/orders/winchester.db"
    assert settings.warnings == ()


def test_every_file_is_commented_and_private(winchester: Winchester, site: Site) -> None:
    assert winchester(site, "init", "orders").status == 0
    files = sorted((site.path / "orders").iterdir())
    assert [file.name for file in files] == sorted(FILES)
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) & ~0o640 == 0
        if file.suffix == ".yaml":
            assert re.match(r"# [A-Z]\w+ .*\n#", file.read_text())


@pytest.mark.parametrize("name", [*FILES, "winchester.db"])
def test_nothing_is_overwritten_and_no_partial_set_is_written(
    winchester: Winchester, site: Site, name: str
) -> None:
    directory = site.path / "orders"
    directory.mkdir()
    (directory / name).symlink_to("nowhere")
    ended = winchester(site, "init", "orders")
    assert (ended.status, ended.out) == (1, "")
    assert name in ended.err
    assert "choose another directory" in ended.err
    assert [file.name for file in directory.iterdir()] == [name]


def test_a_directory_not_representable_in_a_url_is_refused(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "init", "what?")
    assert (ended.status, ended.out) == (2, "")
    assert not (site.path / "what?").exists()


def test_a_file_at_the_path_is_a_failure(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "init", "triggers.yaml")
    assert (ended.status, ended.out) == (1, "")
    assert "triggers.yaml" in ended.err
