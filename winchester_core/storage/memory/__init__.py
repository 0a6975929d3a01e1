"""A store in plain Python: for tests, dry runs and authors of plugins.

It takes one event at a time and shares only the pure functions of `triggers` with the SQL store,
so that each can be held against the other.
"""

from winchester_core.storage.memory.store import MemoryStore

__all__ = ["MemoryStore"]
