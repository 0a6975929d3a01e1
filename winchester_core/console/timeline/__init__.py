"""Timeline of a stream as SVG: events, deadlines, states, and breaks for idle gaps."""

from winchester_core.console.timeline.data import (
    CriterionLane,
    Deadline,
    DeadlineKind,
    Mark,
    MarkKind,
    Period,
    StatePeriod,
    Timeline,
)
from winchester_core.console.timeline.drawing import draw_timeline

__all__ = [
    "CriterionLane",
    "Deadline",
    "DeadlineKind",
    "Mark",
    "MarkKind",
    "Period",
    "StatePeriod",
    "Timeline",
    "draw_timeline",
]
