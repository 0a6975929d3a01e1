"""Charts as SVG, styled by classes. Each has an accessible name."""

from winchester_core.console.charts.sparkline import sparkline
from winchester_core.console.charts.stacked_bars import Series, stacked_bars
from winchester_core.console.charts.state_bars import StateCounts, state_bars

__all__ = ["Series", "StateCounts", "sparkline", "stacked_bars", "state_bars"]
