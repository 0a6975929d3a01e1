"""For authors of plugins and their tests."""

from winchester_core.testing.clock import FakeClock

__all__ = ["FakeClock"]
