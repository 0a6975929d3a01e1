"""Names for programs that embed Winchester."""

from __future__ import annotations

import winchester_core
from generated_reference.markdown import docstring
from generated_reference.signatures import render_methods
from winchester_core.config import load_settings

PUBLIC_METHODS = {
    "TriggerManager": (
        "add_event",
        "add_events",
        "add_notification",
        "add_notifications",
        "convert_notification",
        "add_trigger_definition",
        "delete_trigger_definition",
        "current_time",
        "received",
        "saved",
        "close",
    ),
    "PipelineManager": (
        "run",
        "run_until_idle",
        "run_once",
        "process_ready_streams",
        "fire_stream",
        "expire_stream",
        "add_trigger_definition",
        "delete_trigger_definition",
        "process_trim_events",
        "current_time",
        "stop",
        "close",
    ),
}
"""Methods that embedding programs may call; the others are for Winchester's own programs."""


def render() -> str:
    """Render the two managers, `load_settings`, and the store."""
    parts: list[str] = []
    for name, methods in PUBLIC_METHODS.items():
        cls = getattr(winchester_core, name)
        parts += [f"## {name}", docstring(cls), docstring(cls.__mro__[1])]
        parts.append(render_methods(cls, only=methods))
    parts += ["## load_settings", docstring(load_settings)]
    parts += ["## open_store", docstring(winchester_core.open_store)]
    for name in ("ReadStore", "AdminStore"):
        cls = getattr(winchester_core, name)
        parts += [f"### {name}", docstring(cls), render_methods(cls)]
    return "\n\n".join(parts)
