"""Winchester: event processing on persistent streams.

>>> from winchester_core import TriggerManager, PipelineManager, load_settings

These names are imported when they are first used, so that a plugin's ``import
winchester_core.interfaces`` does not load the database's libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winchester_core.bootstrap import (
        PipelineManager,
        TriggerManager,
        load_settings,
        open_store,
    )
    from winchester_core.storage.records import EventFilter, StreamFilter

__all__ = [
    "EventFilter",
    "PipelineManager",
    "StreamFilter",
    "TriggerManager",
    "load_settings",
    "open_store",
]

_FILTERS = ("EventFilter", "StreamFilter")


def __getattr__(name: str) -> Any:
    if name in _FILTERS:
        from winchester_core.storage import records

        return getattr(records, name)
    if name in __all__:
        from winchester_core import bootstrap

        return getattr(bootstrap, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
