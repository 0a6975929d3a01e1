"""What other triggers would have made of the past: two replays without effect, and what differs.

Each replay has a database of its own, a file of SQLite in a directory that is removed; so the
memory that it takes does not grow with the events. Pipelines are empty: no handler is made.
"""

from winchester_core.backtest.comparison import Change, compare
from winchester_core.backtest.replaying import Backtest, Replayed
from winchester_core.backtest.stored_events import StoredEvents

__all__ = ["Backtest", "Change", "Replayed", "StoredEvents", "compare"]
