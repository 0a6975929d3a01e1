"""Winchester: event processing on persistent streams.

>>> from winchester_core import TriggerManager, PipelineManager, load_settings

Names are imported on first use, so that ``import winchester_core.interfaces`` in a plugin does
not load the database libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winchester_core.bootstrap import PipelineManager, TriggerManager, load_settings, open_store
    from winchester_core.config.settings import Settings
    from winchester_core.ingest.recorder import AddResult
    from winchester_core.storage.admin_interface import AdminStore
    from winchester_core.storage.effect_records import EffectFilter, StoredEffect
    from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
    from winchester_core.storage.read_interface import ReadStore
    from winchester_core.storage.records import RejectedMessage, StreamVersion

__all__ = [
    "AddResult",
    "AdminStore",
    "EffectFilter",
    "EventFilter",
    "ListOrder",
    "PipelineManager",
    "ReadStore",
    "RejectedFilter",
    "RejectedMessage",
    "Settings",
    "StoredEffect",
    "StreamFilter",
    "StreamVersion",
    "TriggerManager",
    "load_settings",
    "open_store",
]

_HOMES = {
    "bootstrap": ("PipelineManager", "TriggerManager", "load_settings", "open_store"),
    "config.settings": ("Settings",),
    "ingest.recorder": ("AddResult",),
    "storage.effect_records": ("EffectFilter", "StoredEffect"),
    "storage.admin_interface": ("AdminStore",),
    "storage.read_interface": ("ReadStore",),
    "storage.filters": ("EventFilter", "ListOrder", "RejectedFilter", "StreamFilter"),
    "storage.records": ("RejectedMessage", "StreamVersion"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
