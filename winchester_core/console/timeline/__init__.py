"""Timeline of a stream as SVG: events, deadlines, states, and breaks for idle gaps."""

from winchester_core.console.timeline.data import (
    CriterionLane,
    DeadlineKind,
    EventMark,
    MarkKind,
    Period,
    StatePeriod,
    Timeline,
    TimelineDeadline,
)
from winchester_core.console.timeline.drawing import draw_timeline

__all__ = [
    "CriterionLane",
    "DeadlineKind",
    "EventMark",
    "MarkKind",
    "Period",
    "StatePeriod",
    "Timeline",
    "TimelineDeadline",
    "draw_timeline",
]
