"""The names that programs which embed Winchester import."""

from __future__ import annotations

import winchester_core
from generated_reference.markdown import docstring
from generated_reference.signatures import render_methods
from winchester_core.config import load_settings
from winchester_core.storage.interface import Store

CLASSES = ("TriggerManager", "PipelineManager")


def render() -> str:
    """The two managers, the loading of settings, and the store."""
    parts: list[str] = []
    for name in CLASSES:
        cls = getattr(winchester_core, name)
        parts += [f"## {name}", docstring(cls), docstring(cls.__mro__[1]), render_methods(cls)]
    parts += ["## load_settings", docstring(load_settings)]
    parts += ["## The store", docstring(Store), render_methods(Store)]
    return "\n\n".join(parts)
