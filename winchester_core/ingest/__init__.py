"""Ingest: storing the messages of sources and the events of programs."""

from winchester_core.ingest.ingester import Ingester
from winchester_core.ingest.recorder import AddResult
from winchester_core.model.message import EventOutcome, EventStatus

__all__ = ["AddResult", "EventOutcome", "EventStatus", "Ingester"]
