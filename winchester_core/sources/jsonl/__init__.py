"""The `jsonl` source: events or notifications from files, directories and standard input."""

from winchester_core.sources.jsonl.source import JsonlSource

__all__ = ["JsonlSource"]
