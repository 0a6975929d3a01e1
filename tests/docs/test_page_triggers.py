"""The triggers shown on pages pass test cases that check what the pages claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.probes.page_blocks import PAGES, ROOT, blocks_of
from support.probes.page_yaml import PIPELINE_KEYS, kind_of
from support.scenes.page_shell import PageShell

CASES = Path(__file__).resolve().parent / "cases"
"""Test cases for each page with complete triggers; some pages include their own."""
SHIPPED = {"coming-from"}
"""Pages whose triggers are files in etc/examples; see test_coming_from.py."""


def triggers_of(page: Path) -> dict[str, dict[str, Any]]:
    """Return the triggers of a page by name; the first of duplicates counts."""
    found: dict[str, dict[str, Any]] = {}
    for content in contents_of(page):
        for trigger in content if kind_of(content) == "triggers" else ():
            found.setdefault(trigger["name"], trigger)
    return found


def emitting_pipelines(page: Path) -> dict[str, Any]:
    """Return the pipelines of a page that create events for other triggers of the page."""
    return {
        name: entries
        for content in contents_of(page)
        if kind_of(content) == "pipelines"
        for name, entries in content.items()
        if any(isinstance(each, dict) and each.get("name") == "emit" for each in entries)
    }


def contents_of(page: Path) -> list[Any]:
    """Return every YAML block of a page."""
    blocks = blocks_of(page, ROOT)
    return [yaml.safe_load(each.text) for each in blocks if each.language == "yaml"]


def has_cases(page: Path) -> bool:
    """Return whether a page shows cases, which its own commands run."""
    return any(kind_of(content) == "cases" for content in contents_of(page))


TRIGGERS = {
    page: found
    for page in [ROOT / "README.md", *PAGES]
    if (found := triggers_of(page)) and not has_cases(page) and page.stem not in SHIPPED
}


def values_of(content: Any, key: str) -> Iterator[Any]:
    """Return the values of `key` at any depth."""
    if isinstance(content, Mapping):
        yield from (value for name, value in content.items() if name == key)
        for value in content.values():
            yield from values_of(value, key)
    elif isinstance(content, list):
        for item in content:
            yield from values_of(item, key)


@pytest.mark.parametrize("page", TRIGGERS, ids=lambda page: page.stem)
def test_the_triggers_of_a_page_pass_their_cases(page: Path, tmp_path: Path) -> None:
    triggers = list(TRIGGERS[page].values())
    names = {trigger.get(key) for trigger in triggers for key in PIPELINE_KEYS} - {None}
    defined = emitting_pipelines(page)
    settings = {
        "trigger_definitions": triggers,
        "pipeline_config": {name: defined.get(name, ["logger"]) for name in names},
    }
    (tmp_path / "winchester.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "cases.yaml").write_text((CASES / f"{page.stem}.yaml").read_text())
    status, output = PageShell(tmp_path).run("winchester test cases.yaml")
    assert status == 0, output


def test_every_trigger_of_every_page_has_a_case() -> None:
    assert {f"{page.stem}.yaml" for page in TRIGGERS} == {path.name for path in CASES.iterdir()}
    for page, triggers in TRIGGERS.items():
        cases = yaml.safe_load((CASES / f"{page.stem}.yaml").read_text())
        assert set(values_of(cases, "trigger")) == set(triggers), page
