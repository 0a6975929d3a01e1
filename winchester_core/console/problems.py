"""Problems of a request: their HTTP status, and problem documents (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core import errors
from winchester_core.service.exit import UsageError
from winchester_core.telemetry.ttl_cache import RefreshTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEM_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 2


class Problem(Exception):  # noqa: N818 - a response, not an error of the program
    """A response other than the requested one: `status`, and `detail` for its reader.

    `members` are further members of the problem document, `headers` further headers.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.status, self.detail, self.members = status, detail, members
        self.headers = dict(headers or {})
        super().__init__(detail)

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        return {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            **self.members,
        }


_STATUSES: Final[tuple[tuple[type[Exception], HTTPStatus], ...]] = (
    (errors.UnknownEvent, HTTPStatus.NOT_FOUND),
    (errors.UnknownStream, HTTPStatus.NOT_FOUND),
    (errors.UnknownRejectedMessage, HTTPStatus.NOT_FOUND),
    (errors.UnknownEffect, HTTPStatus.NOT_FOUND),
    (errors.IllegalTransition, HTTPStatus.CONFLICT),
    (errors.EffectInProgress, HTTPStatus.CONFLICT),
    (errors.DataRefused, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.BAD_REQUEST),
)
_TEMPORARY: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.DatabaseUnavailable, "the database is unavailable"),
    (errors.ConcurrentChange, "others are changing the same objects"),
    (errors.QueryTimeout, "the query took too long; more filters may help"),
    (errors.ClockError, "stream time is unavailable"),
    (RefreshTimeout, "the statistics are not available yet"),
)
"""Errors with status 503, and their meanings."""


def problem_of(error: Exception) -> Problem | None:
    """Return the problem for an error of the store or of a parameter; None for other errors."""
    if isinstance(error, Problem):
        return error
    for error_class, status in _STATUSES:
        if isinstance(error, error_class):
            return Problem(status, str(error))
    for error_class, meaning in _TEMPORARY:
        if isinstance(error, error_class):
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{meaning}: {error}",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
    return None


def not_found(detail: str) -> Problem:
    """Return the problem of an unknown object or path."""
    return Problem(HTTPStatus.NOT_FOUND, detail)


def bad_request(detail: str) -> Problem:
    """Return the problem of a wrong parameter."""
    return Problem(HTTPStatus.BAD_REQUEST, detail)
