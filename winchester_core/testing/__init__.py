"""For authors of plugins and their tests: a clock under control, and the engine in memory."""

from winchester_core.testing.clock import FakeClock
from winchester_core.testing.engine import InMemoryEngine

__all__ = ["FakeClock", "InMemoryEngine"]
