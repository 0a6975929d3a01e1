"""A naive store in memory: the oracle of the SQL store.

It takes one event at a time, is written for obviousness, and shares only the pure functions of
`triggers` with the SQL store. It passes the same conformance suite, and the equivalence property
tests compare the two.
"""

from oracle.store import MemoryStore

__all__ = ["MemoryStore"]
