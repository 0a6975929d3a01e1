"""Plugins for Winchester, one of each kind. Each is found by its entry point in pyproject.toml."""
