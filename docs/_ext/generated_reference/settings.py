"""The settings of `winchester.yaml` at a glance; the page on settings says more of each."""

from __future__ import annotations

from generated_reference.markdown import table
from generated_reference.schemas import keys
from winchester_core.config.schema import SETTINGS_SCHEMA


def render() -> str:
    """A table of every setting."""
    rows = (
        (f"[`{name}`](settings.md#{name})", default, meaning)
        for name, default, meaning in keys(SETTINGS_SCHEMA)
    )
    return table(["setting", "default", "meaning"], rows)
