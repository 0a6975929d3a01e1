"""The JSON Schemas accept every file that the project ships, and valid files of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.probes.editor_schemas import Editor
from winchester_core.bootstrap import load_settings
from winchester_core.config.plugin_entries import load_plugin_aliases
from winchester_core.errors import ConfigurationError
from winchester_core.schemas import DOCUMENTS

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted(path for path in (ROOT / "etc").rglob("*.yaml") if path.stem in DOCUMENTS)
STARTER = ROOT / "winchester_core" / "cli" / "starter"


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_etc_is_valid(path: Path, editor: Editor) -> None:
    assert editor.text_errors(path.stem, path.read_text()) == []


@pytest.mark.parametrize("document", ["winchester", "triggers", "pipelines"])
def test_a_starter_file_is_valid(document: str, editor: Editor) -> None:
    text = (STARTER / f"{document}.yaml").read_text().replace("@DATABASE_URL@", "sqlite:///x.db")

    assert editor.text_errors(document, text) == []


def test_each_valid_recorded_event_definitions_file_is_valid(
    shared_data: Path, editor: Editor
) -> None:
    right = [
        path
        for path in shared_data.glob("config/**/*event_definitions*.yaml")
        if _is_valid({"distiller_config": str(path)})
    ]

    assert len(right) >= 15
    for path in right:
        assert editor.text_errors("event_definitions", path.read_text()) == [], path


def test_recorded_pipelines_with_aliases_are_valid(shared_data: Path) -> None:
    for home in ("stacktach-sandbox", "winchester-etc"):
        settings = shared_data / "config" / home / "winchester.yaml"
        (pipelines,) = settings.parent.rglob("pipelines.yaml")
        editor = Editor(load_plugin_aliases(settings, {}))

        assert editor.text_errors("pipelines", pipelines.read_text()) == [], home


def test_recorded_triggers_are_valid(shared_data: Path, editor: Editor) -> None:
    path = shared_data / "config" / "stacktach-sandbox" / "winchester" / "triggers.yaml"

    assert editor.text_errors("triggers", path.read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_an_empty_file_is_valid(document: str, editor: Editor) -> None:
    needs_content = document in ("winchester", "cases")  # a database, a case
    assert bool(editor.text_errors(document, "")) == needs_content


def _is_valid(settings: dict[str, str]) -> bool:
    try:
        load_settings({"database": {"url": "sqlite://"}, **settings})
    except ConfigurationError:
        return False
    return True
