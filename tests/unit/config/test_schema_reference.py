"""Every setting is documented with its default, and shown in the shipped configuration."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from voluptuous import UNDEFINED

from winchester_core.config.console_access import TOKEN_SCHEMA
from winchester_core.config.settings import (
    DECLARATIONS,
    SECTION_SCHEMAS,
    SETTINGS_SCHEMA,
    SOURCE_SCHEMA,
    Settings,
)
from winchester_core.config.validators import LOG_LEVELS

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS: dict[str, Any] = {
    marker.schema: marker.default()
    for marker in SETTINGS_SCHEMA.schema
    if marker.default is not UNDEFINED
}
KEYS = [marker.schema for marker in SETTINGS_SCHEMA.schema]
NESTED_KEYS = {
    f"{section}.{marker.schema}"
    for section, schema in SECTION_SCHEMAS.items()
    for marker in schema.schema
}


@pytest.fixture(scope="module")
def sections(checkout: Path) -> dict[str, str]:
    """Return the reference's sections by setting, each on one line."""
    page = (checkout / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `(\w+)`$", page, flags=re.MULTILINE)
    return {
        key: " ".join(re.split(r"^## ", text, flags=re.MULTILINE)[0].split())
        for key, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_the_reference_has_exactly_one_section_per_setting(
    sections: dict[str, str],
) -> None:
    assert sorted(sections) == sorted(KEYS)


@pytest.mark.parametrize("key", DEFAULTS)
def test_the_reference_states_the_default(sections: dict[str, str], key: str) -> None:
    default = DEFAULTS[key]
    text = sections[key]

    if default is None:
        assert re.search(
            r"; default(: none|: standard error|: the name of the host| `system`)", text
        )
    else:
        written = str(default).lower() if isinstance(default, bool) else str(default)
        assert f"; default `{written}`" in text


def test_the_reference_lists_the_keys_of_nested_settings(sections: dict[str, str]) -> None:
    for marker in SOURCE_SCHEMA.schema:
        assert f"`{marker.schema}` : " in sections["event_sources"]
    for marker in TOKEN_SCHEMA.schema:
        assert f"`{marker.schema}` : " in sections["console"]
    for key in NESTED_KEYS:
        assert f"`{key}` : " in sections[key.partition(".")[0]]
    for level in LOG_LEVELS:
        assert f"`{level.lower()}`" in sections["log_level"]


def test_every_field_of_the_settings_is_declared() -> None:
    others = {"name", "warnings", "triggers_fingerprint", "pipelines_fingerprint"}
    assert {field.name for field in fields(Settings)} - set(DECLARATIONS) == others
    declared = {each.key for each in DECLARATIONS.values()}
    assert declared == set(KEYS) - set(SECTION_SCHEMAS) | NESTED_KEYS


def test_every_setting_has_a_description() -> None:
    for schema in (SETTINGS_SCHEMA, *SECTION_SCHEMAS.values(), TOKEN_SCHEMA):
        assert all(marker.description for marker in schema.schema)


def test_the_shipped_settings_show_every_key_with_its_default(checkout: Path) -> None:
    lines = (checkout / "etc" / "winchester.yaml").read_text(encoding="utf-8").splitlines()
    set_there = yaml.safe_load("\n".join(lines))

    for key in KEYS:
        if key in set_there:
            continue
        shown = [line[1:] for line in lines if re.match(rf"#{key}:( |$)", line)]
        assert shown, key
        value = yaml.safe_load(shown[-1])[key]
        default = DEFAULTS[key]
        assert value == default or (default is None and value in (None, False)), key
