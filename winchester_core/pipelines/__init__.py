"""Pipelines: definitions, and runs of a stream's events through a pipeline."""

from winchester_core.pipelines.definition import HandlerSpec, PipelineDefinition
from winchester_core.pipelines.handler_call import NOT_CAUGHT, ForkGuard, new_handler
from winchester_core.pipelines.run import CommitError, PipelineRun, Step, StreamInfo
from winchester_core.pipelines.traceback_text import clean_traceback, describe_error, error_text

__all__ = [
    "NOT_CAUGHT",
    "CommitError",
    "ForkGuard",
    "HandlerSpec",
    "PipelineDefinition",
    "PipelineRun",
    "Step",
    "StreamInfo",
    "clean_traceback",
    "describe_error",
    "error_text",
    "new_handler",
]
