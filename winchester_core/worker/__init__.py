"""The working side: fires and expires streams, and keeps the tables in order."""

from winchester_core.worker.options import WorkerOptions
from winchester_core.worker.pipeline_manager import PipelineManager

__all__ = ["PipelineManager", "WorkerOptions"]
