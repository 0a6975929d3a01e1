"""The `emit` handler: makes one new event of a stream."""

from winchester_handlers.emit.handler import EmitHandler

__all__ = ["EmitHandler"]
