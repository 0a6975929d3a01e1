"""The generated regions of the reference are up to date."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from generated_reference.pages import PAGES, MissingRegion, outdated, refresh
from generated_reference.plugin_pages import pages
from voluptuous import Schema

from winchester_handlers.logger import LoggerHandler

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def docs(checkout: Path, tmp_path: Path) -> Path:
    """A copy of the pages, to be changed."""
    for folder in ("reference", "explanation"):
        shutil.copytree(checkout / "docs" / folder, tmp_path / folder)
    return tmp_path


def test_every_generated_page_is_current(checkout: Path) -> None:
    stale = sorted(outdated(checkout / "docs"))

    assert not stale, f"run 'make docs', to update {', '.join(stale)}"


def test_a_changed_region_is_found_and_rewritten(docs: Path) -> None:
    refresh(docs)
    right = {page: (docs / page).read_text() for page in PAGES}
    for page, regions in PAGES.items():
        for region in regions:
            mark = f"<!-- generated: {region} -->\n"
            changed = (docs / page).read_text().replace(mark, f"{mark}something old\n")
            (docs / page).write_text(changed)

    assert refresh(docs) == sorted(PAGES)
    assert {page: (docs / page).read_text() for page in PAGES} == right
    assert refresh(docs) == []


def test_text_around_a_region_is_kept(docs: Path) -> None:
    refresh(docs)
    page = docs / "reference" / "states.md"
    page.write_text(page.read_text().replace("# States of a stream", "# Another title"))

    assert refresh(docs) == []
    assert page.read_text().startswith("# Another title")


def test_a_plugin_page_is_rewritten_or_created(docs: Path) -> None:
    changed, absent = (
        docs / "reference" / "plugins" / "handlers" / f"{name}.md" for name in ("usage", "logger")
    )
    right = changed.read_text()
    changed.write_text("something old")
    absent.unlink()

    assert refresh(docs) == sorted(str(page.relative_to(docs)) for page in (changed, absent))
    assert changed.read_text() == right
    assert absent.read_text().splitlines()[2] == "# logger"


def test_the_page_of_a_removed_plugin_is_deleted(docs: Path) -> None:
    page = docs / "reference" / "plugins" / "handlers" / "gone.md"
    page.write_text("# gone")

    assert outdated(docs) == {"reference/plugins/handlers/gone.md": None}
    refresh(docs)
    assert not page.exists()


@pytest.mark.parametrize(
    ("words", "lacking"),
    [
        ({"__doc__": None}, "no description"),
        ({"example": ""}, "no example"),
        ({"config_schema": Schema({"level": str})}, "no description of 'level'"),
    ],
)
def test_a_plugin_without_documentation_has_no_page(
    monkeypatch: pytest.MonkeyPatch, words: dict[str, object], lacking: str
) -> None:
    for name, value in words.items():
        monkeypatch.setattr(LoggerHandler, name, value)

    with pytest.raises(LookupError, match=lacking):
        pages()["reference/plugins/handlers/logger.md"]()


def test_a_page_without_its_markers_is_an_error(docs: Path) -> None:
    page = docs / "reference" / "states.md"
    page.write_text(page.read_text().replace("<!-- end: states -->", ""))

    with pytest.raises(MissingRegion, match=r"states\.md"):
        outdated(docs)
