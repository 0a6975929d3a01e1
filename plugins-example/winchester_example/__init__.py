"""Plugins for Winchester, one of each kind. pyproject.toml declares their entry points."""
