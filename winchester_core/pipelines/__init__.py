"""Pipelines: their definitions, and the run of a stream's events through one."""

from winchester_core.pipelines.definition import (
    NOT_CAUGHT,
    HandlerSpec,
    PipelineDefinition,
    exit_forked_child,
)
from winchester_core.pipelines.run import CommitError, PipelineRun, Step, StreamInfo
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
]
