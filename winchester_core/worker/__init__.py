"""Workers: fire and expire streams, deliver effects, and do maintenance."""

from winchester_core.worker.options import WorkerOptions
from winchester_core.worker.worker import Worker

__all__ = ["Worker", "WorkerOptions"]
