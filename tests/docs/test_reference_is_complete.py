"""The reference covers all settings, programs, plugins, tables and states."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any

import pytest
from generated_reference.plugin_pages import DIRECTORIES, by_class
from generated_reference.plugins import INTERFACES
from voluptuous import Marker

from winchester_core.config.settings import SETTINGS_SCHEMA
from winchester_core.config.triggers import TRIGGER_SCHEMA
from winchester_core.criteria.compiler import FIRE_KEYS
from winchester_core.distribution import DISTRIBUTION
from winchester_core.ingest.pump import PumpTotals
from winchester_core.model.stream import TRANSITIONS, StreamState
from winchester_core.plugins import COMMANDS, GROUP_NOUNS
from winchester_core.storage.sql.tables import metadata
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCRIPTS = "console_scripts"
REGISTERED = sorted(
    (each.group, each.name)
    for each in distribution(DISTRIBUTION).entry_points
    if each.group in GROUP_NOUNS
)


class Reference:
    """The pages of the reference."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def page(self, name: str) -> str:
        """Return the text of a page."""
        return (self._directory / f"{name}.md").read_text()

    def headings(self, name: str) -> set[str]:
        """Return the headings of a page without markup."""
        found = re.findall(r"^#{2,4} (.+)$", self.page(name), re.MULTILINE)
        return {heading.strip("`") for heading in found}

    def names(self, page: str, wanted: Iterable[str]) -> None:
        """Assert that a page has each of these names as code."""
        text = self.page(page)
        missing = [name for name in wanted if f"`{name}`" not in text]
        assert not missing, f"docs/reference/{page}.md lacks {missing}"


@pytest.fixture(scope="module")
def reference(checkout: Path) -> Reference:
    return Reference(checkout / "docs" / "reference")


def test_every_setting_has_a_section_and_an_overview_entry(reference: Reference) -> None:
    settings = _names(SETTINGS_SCHEMA.schema)

    assert settings <= reference.headings("settings")
    reference.names("index", settings)


def test_every_field_of_triggers_and_criteria_is_documented(reference: Reference) -> None:
    reference.names("triggers", _names(TRIGGER_SCHEMA.schema) | set(FIRE_KEYS))


def test_every_program_has_a_section_or_is_named_as_an_alias(reference: Reference) -> None:
    for script in distribution(DISTRIBUTION).entry_points.select(group=SCRIPTS):
        is_known = script.name in reference.headings("commands")
        assert is_known or f"`{script.name}`" in reference.page("commands"), script.name


def test_every_entry_point_group_is_explained(reference: Reference) -> None:
    groups = {each.group for each in distribution(DISTRIBUTION).entry_points} - {SCRIPTS}

    assert groups == set(GROUP_NOUNS), "a group that winchester_core.plugins does not know"
    reference.names("plugins", groups)


@pytest.mark.parametrize(("group", "name"), REGISTERED)
def test_every_plugin_has_a_page_or_a_section(reference: Reference, group: str, name: str) -> None:
    if group == COMMANDS:
        assert f"winchester {name}" in reference.headings("commands")
        return
    (first,) = (
        first for first, same in by_class(group).items() if name in [each.name for each in same]
    )
    page = f"plugins/{DIRECTORIES[group]}/{first}"
    assert f"`{name}`" in reference.page("plugins")
    assert f"({page}.md)" in reference.page("plugins")
    assert reference.page(page).splitlines()[2] == f"# {first}"
    assert name == first or f"`{name}`" in reference.page(page)


def test_every_interface_has_a_section(reference: Reference) -> None:
    assert {cls.__name__ for cls in INTERFACES.values()} <= reference.headings("plugins")
    assert set(INTERFACES) | {COMMANDS} == set(GROUP_NOUNS)


def test_every_table_and_column_is_described(reference: Reference) -> None:
    for table in metadata.tables.values():
        assert table.name in reference.headings("tables")
        reference.names("tables", [column.name for column in table.columns])


def test_every_count_is_described(reference: Reference) -> None:
    reference.names("metrics", [count.value for count in Count])
    reference.names("metrics", [field.name for field in fields(PumpTotals)])


def test_the_diagram_has_every_state_and_transition(checkout: Path) -> None:
    drawing = (checkout / "docs" / "reference" / "states.svg").read_text()

    assert all(f">{state}</text>" in drawing for state in StreamState)
    assert drawing.count("<line ") == sum(map(len, TRANSITIONS.values()))


def _names(schema: dict[Any, Any]) -> set[str]:
    return {str(key.schema if isinstance(key, Marker) else key) for key in schema}
