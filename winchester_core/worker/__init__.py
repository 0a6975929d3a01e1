"""The working side: fires and expires streams, and keeps the tables in order."""

from winchester_core.worker.options import WorkerOptions
from winchester_core.worker.worker import Worker

__all__ = ["Worker", "WorkerOptions"]
