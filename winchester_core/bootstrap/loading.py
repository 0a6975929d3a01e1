"""Settings of a program: use given settings or load them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.config import load_settings
from winchester_core.config.settings import Settings
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["load_settings", "resolve_settings"]


def resolve_settings(source: Settings | Mapping[str, Any] | str | Path, **choices: Any) -> Settings:
    """Return `source` if it is `Settings`; otherwise load them with these `choices`.

    Raises `ConfigurationError` if the program passes handlers that would have no effect.
    """
    if not isinstance(source, Settings):
        return load_settings(source, **choices)
    if choices.get("pipeline_handlers"):
        message = "pipeline_handlers has no effect on loaded settings; pass it to load_settings"
        raise ConfigurationError([message])
    return source
