"""The ingesting side: from sources and callers into the store."""

from winchester_core.ingest.outcome import AddResult, EventOutcome, EventStatus
from winchester_core.ingest.trigger_manager import TriggerManager

__all__ = ["AddResult", "EventOutcome", "EventStatus", "TriggerManager"]
