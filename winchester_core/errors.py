"""Every exception that Winchester raises on purpose.

All derive from `WinchesterError`; each carries the facts of its message as fields, so that a
caller can act on them without parsing text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.distribution import install_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class WinchesterError(Exception):
    """The root of all exceptions of this package."""


class ConfigurationError(WinchesterError):
    """A configuration that cannot be used. `problems` holds every problem, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(WinchesterError):
    """A plugin that is named but cannot be used."""

    def __init__(self, group: str, name: str, reason: str) -> None:
        self.group, self.name, self.reason = group, name, reason
        super().__init__(reason)

    @classmethod
    def missing_extra(cls, group: str, name: str, extra: str, error: ImportError) -> PluginError:
        """What one of Winchester's own plugins raises when its optional dependency is absent."""
        needed = error.name or "a package"
        return cls(group, name, f"{name!r} needs {needed}: {install_command(extra)}")


class TimeExpressionError(WinchesterError):
    """A time expression that cannot be parsed. `position` is the offset of the offending text."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.text, self.position, self.reason = text, position, reason
        shown = text if len(text) <= 1000 else f"{text[:1000]}..."
        super().__init__(f"time expression {shown!r}, character {position + 1}: {reason}")


class TimeEvaluationError(WinchesterError):
    """A time expression that has no value: a missing variable, or a year out of 1000-9999.

    Either `variable` is the name that has no datetime, or `clamp` is the nearest time within
    those years (aware UTC), for a caller that takes it in the result's place.
    """

    def __init__(
        self,
        text: str,
        reason: str,
        variable: str | None = None,
        clamp: datetime | None = None,
    ) -> None:
        self.text, self.reason, self.variable, self.clamp = text, reason, variable, clamp
        super().__init__(f"time expression {text!r}: {reason}")


class FieldPathError(WinchesterError):
    """A field path of a trait that cannot be parsed. `position` is the offset of the fault."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.text, self.position, self.reason = text, position, reason
        super().__init__(f"field path {text!r}, character {position + 1}: {reason}")


class InvalidEvent(WinchesterError):
    """An event or notification that cannot be stored.

    `key` is what was wrong with it; empty for the message as a whole.
    """

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"{key}: {reason}" if key else reason)


class UnstorablePayload(WinchesterError):
    """An effect's payload that not every database stores. `place` says where in it."""

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"{place} cannot be stored: {reason}")


class EffectNotQueued(WinchesterError):
    """A handler that put into its outbox what, or when, it may not."""

    def __init__(self, pipeline: str, handler: str, reason: str) -> None:
        self.pipeline, self.handler, self.reason = pipeline, handler, reason
        super().__init__(f"pipeline {pipeline!r}, handler {handler!r}: {reason}")


class IllegalTransition(WinchesterError):
    """A change of a stream's state that the transition table does not allow."""

    def __init__(self, current: str, wanted: str) -> None:
        self.current, self.wanted = current, wanted
        super().__init__(f"a stream that is {current} cannot become {wanted}")


class HandlerFailed(WinchesterError):
    """A handler of a pipeline raised, or returned what it may not."""

    def __init__(self, pipeline: str, handler: str, reason: str) -> None:
        self.pipeline, self.handler, self.reason = pipeline, handler, reason
        super().__init__(f"pipeline {pipeline!r}, handler {handler!r}: {reason}")


class SourceError(WinchesterError):
    """An event source that cannot be read. `source` tells a person where (file, line, queue)."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class ListenError(WinchesterError):
    """An address that cannot be listened at."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(f"{host}, port {port}, cannot be listened at: {reason}")


class StorageError(WinchesterError):
    """A database that does not do what it is asked."""


class DatabaseUnavailable(StorageError):
    """The database cannot be reached, is out of space, or is locked: worth another try."""


class DataRefused(StorageError):
    """The database refuses a batch for its content: another try gives the same answer."""


class ConcurrentChange(StorageError):
    """Another process changed the same rows first: start the transaction anew."""


class SchemaMismatch(StorageError):
    """The database's schema revision is not the one this program works with."""

    def __init__(self, found: str | None, wanted: str, url: str) -> None:
        self.found, self.wanted, self.url = found, wanted, url
        state = f"is at revision {found}" if found else "has no Winchester tables yet"
        super().__init__(
            f"database {url} {state}, this program needs revision {wanted}: "
            "run 'winchester_db -c FILE upgrade head'"
        )


class UnknownStream(StorageError):
    """No stream has this id."""

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        super().__init__(f"no stream has the id {stream_id}")


class UnknownRejectedMessage(StorageError):
    """No rejected message has this id."""

    def __init__(self, rejected_id: int) -> None:
        self.rejected_id = rejected_id
        super().__init__(f"no rejected message has the id {rejected_id}")


class UnknownEffect(StorageError):
    """No effect in the outbox has this id."""

    def __init__(self, effect_id: int) -> None:
        self.effect_id = effect_id
        super().__init__(f"no effect in the outbox has the id {effect_id}")


class EffectInProgress(StorageError):
    """An effect that a worker delivers at this moment."""

    def __init__(self, effect_id: int, worker: str) -> None:
        self.effect_id, self.worker = effect_id, worker
        super().__init__(f"effect {effect_id} is being delivered by the worker {worker}")


class ClockError(WinchesterError):
    """A clock that cannot be set or asked as wanted."""
