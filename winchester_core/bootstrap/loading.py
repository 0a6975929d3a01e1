"""Loading of settings, with the validation of event definitions, which `config` cannot import."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from winchester_core import config
from winchester_core.config.settings import Settings
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _validate_definitions(document: Any, trait_plugins: Mapping[str, Any]) -> object:
    """Call `winchester_core.distill.validate_definitions`, imported only if needed."""
    from winchester_core.distill import validate_definitions

    return validate_definitions(document, trait_plugins)


load_settings = functools.partial(config.load_settings, validate_definitions=_validate_definitions)
"""Load and validate a configuration; see `winchester_core.config.load_settings`."""


def resolve_settings(source: Settings | Mapping[str, Any] | str | Path, **choices: Any) -> Settings:
    """Return `source` if it is `Settings`; otherwise load them with these `choices`.

    Raises `ConfigurationError` for handlers of the program that would have no effect.
    """
    if not isinstance(source, Settings):
        return load_settings(source, **choices)
    if choices.get("pipeline_handlers"):
        message = "pipeline_handlers has no effect on loaded settings; pass it to load_settings"
        raise ConfigurationError([message])
    return source
