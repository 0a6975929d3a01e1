"""Backtest: two replays of past events under different triggers, and their differences.

Each replay has its own temporary SQLite database. Pipelines are empty: handlers do not run.
"""

from winchester_core.backtest.comparison import StreamDifference, compare_replays
from winchester_core.backtest.replay import Backtest, ReplayResult, StoredEventSource

__all__ = ["Backtest", "ReplayResult", "StoredEventSource", "StreamDifference", "compare_replays"]
