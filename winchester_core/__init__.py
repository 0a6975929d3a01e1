"""Winchester: event processing on persistent streams.

>>> from winchester_core import TriggerManager, PipelineManager, load_settings

These names are imported when they are first used, so that a plugin's ``import
winchester_core.interfaces`` does not load the database's libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winchester_core.bootstrap import PipelineManager, TriggerManager, load_settings

__all__ = ["PipelineManager", "TriggerManager", "load_settings"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from winchester_core import bootstrap

        return getattr(bootstrap, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
