"""What other triggers would have made of the past: two replays without effect, and what differs.

Each replay has a database of its own, a file of SQLite in a directory that is removed; so the
memory that it takes does not grow with the events. Pipelines are empty: no handler is made.
"""

from winchester_core.backtest.comparison import StreamDifference, compare_replays
from winchester_core.backtest.replay import Backtest, ReplayResult, StoredEventSource

__all__ = ["Backtest", "ReplayResult", "StoredEventSource", "StreamDifference", "compare_replays"]
