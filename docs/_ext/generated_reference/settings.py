"""Overview of the settings of `winchester.yaml`."""

from __future__ import annotations

from generated_reference.markdown import table
from generated_reference.schemas import keys
from winchester_core.config.settings import SETTINGS_SCHEMA


def render() -> str:
    """Render a table of all settings."""
    rows = (
        (f"[`{name}`](settings.md#{name})", default, meaning)
        for name, default, meaning in keys(SETTINGS_SCHEMA)
    )
    return table(["setting", "default", "meaning"], rows)
