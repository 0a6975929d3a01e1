"""Pipelines: their definitions, and the run of a stream's events through one."""

from winchester_core.pipelines.definition import HandlerSpec, PipelineDefinition
from winchester_core.pipelines.run import (
    NOT_CAUGHT,
    CommitError,
    PipelineRun,
    Step,
    StreamInfo,
    exit_forked_child,
    new_handler,
)
from winchester_core.pipelines.traceback_text import clean_traceback, describe_error, error_text

__all__ = [
    "NOT_CAUGHT",
    "CommitError",
    "HandlerSpec",
    "PipelineDefinition",
    "PipelineRun",
    "Step",
    "StreamInfo",
    "clean_traceback",
    "describe_error",
    "error_text",
    "exit_forked_child",
    "new_handler",
]
