"""What a worker goes by: triggers, pipelines and options, replaced together or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.options import WorkerOptions


@dataclass(frozen=True, slots=True)
class Rules:
    """One configuration, as a worker needs it."""

    triggers: TriggerSet
    pipelines: Mapping[str, PipelineDefinition]
    options: WorkerOptions
