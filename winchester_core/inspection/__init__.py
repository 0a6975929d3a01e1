"""Stored objects as JSON, and explanations of them, for commands and the console."""
