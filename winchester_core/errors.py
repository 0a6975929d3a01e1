"""The exceptions that Winchester raises.

All derive from `WinchesterError`. The values in their messages are also attributes, so that callers
need not parse text.
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
    """The configuration is invalid. `problems` holds every problem, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(WinchesterError):
    """A plugin is missing or cannot be loaded."""

    def __init__(self, group: str, name: str, reason: str) -> None:
        self.group, self.name, self.reason = group, name, reason
        super().__init__(reason)

    @classmethod
    def missing_extra(cls, group: str, name: str, extra: str, error: ImportError) -> PluginError:
        """Return the error of a built-in plugin whose optional dependency is not installed."""
        dependency = error.name or "a package"
        return cls(group, name, f"{name!r} needs {dependency}: {install_command(extra)}")


class TimeExpressionError(WinchesterError):
    """A time expression cannot be parsed. `position` is the offset of the error, from 0."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.text, self.position, self.reason = text, position, reason
        shown = text if len(text) <= 1000 else f"{text[:1000]}..."
        super().__init__(f"time expression {shown!r}, character {position + 1}: {reason}")


class TimeEvaluationError(WinchesterError):
    """A time expression has no value: a variable is missing, or a year is outside 1000-9999.

    Either `variable` is the name of the variable that is missing or not a datetime, or `clamp` is
    the nearest time within these years (aware UTC), which callers may use instead.
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
    """A field path of a trait cannot be parsed. `position` is the offset of the error, from 0."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.text, self.position, self.reason = text, position, reason
        super().__init__(f"field path {text!r}, character {position + 1}: {reason}")


class InvalidEvent(WinchesterError):
    """An event or notification cannot be stored.

    `key` is its invalid key, or empty for the message as a whole.
    """

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"{key}: {reason}" if key else reason)


class UnstorablePayload(WinchesterError):
    """The payload of an effect cannot be stored. `place` is the path of the invalid value."""

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"{place} cannot be stored: {reason}")


class EffectNotQueued(WinchesterError):
    """A handler queued an invalid effect, or queued it outside of its own call."""

    def __init__(self, pipeline: str, handler: str, reason: str) -> None:
        self.pipeline, self.handler, self.reason = pipeline, handler, reason
        super().__init__(f"pipeline {pipeline!r}, handler {handler!r}: {reason}")


class IllegalTransition(WinchesterError):
    """A change of a stream's state is not in the transition table."""

    def __init__(self, current: str, required: str) -> None:
        self.current, self.required = current, required
        super().__init__(f"a stream that is {current} cannot be {required}")


class HandlerFailed(WinchesterError):
    """A handler of a pipeline raised an exception or returned an invalid value."""

    def __init__(self, pipeline: str, handler: str, reason: str) -> None:
        self.pipeline, self.handler, self.reason = pipeline, handler, reason
        super().__init__(f"pipeline {pipeline!r}, handler {handler!r}: {reason}")


class SourceError(WinchesterError):
    """An event source cannot be read. `source` is the place (file and line, queue)."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class ListenError(WinchesterError):
    """A server cannot listen on an address."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(f"cannot listen on {host}, port {port}: {reason}")


class StorageError(WinchesterError):
    """A database operation failed."""


class DatabaseUnavailable(StorageError):
    """The database is unreachable, out of space or locked: a later retry may succeed."""


class ConnectionBroken(DatabaseUnavailable):
    """The connection broke during a transaction, which may have been committed."""


class QueryTimeout(StorageError):
    """A query took longer than the limit of its program and was cancelled."""


class DataRefused(StorageError):
    """The database refuses the content of a batch: a retry fails in the same way."""


class ConcurrentChange(StorageError):
    """Another process changed the same rows first: retry the whole transaction."""


class SchemaMismatch(StorageError):
    """The schema revision of the database is not the one that this program requires."""

    def __init__(self, found: str | None, required: str, url: str) -> None:
        self.found, self.required, self.url = found, required, url
        state = f"is at revision {found}" if found else "has no Winchester tables yet"
        super().__init__(
            f"database {url} {state}, this program needs revision {required}: "
            "run 'winchester_db -c FILE upgrade head'"
        )


class UnknownEvent(StorageError):
    """No stored event has this message id."""

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        super().__init__(f"no stored event has the message id {message_id!r}")


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
    """A worker is delivering the effect."""

    def __init__(self, effect_id: int, worker: str) -> None:
        self.effect_id, self.worker = effect_id, worker
        super().__init__(f"effect {effect_id} is being delivered by the worker {worker}")


class ClockError(WinchesterError):
    """A clock cannot be read or set."""
