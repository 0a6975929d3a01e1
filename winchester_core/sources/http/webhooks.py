"""Permission for senders, by the abuse protection of CloudEvents' web hooks 1.0.2, section 4."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from winchester_core.sources.http.responses import JsonResponse, RequestRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_ORIGIN: Final = "webhook-request-origin"
ALLOWED_ORIGIN: Final = "webhook-allowed-origin"
ALLOWED_RATE: Final = "webhook-allowed-rate"
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class WebhookPermission:
    """Origins that may send (or `ANY`), and the announced requests per minute (None: any)."""

    webhook_origins: tuple[str, ...]
    webhook_rate: int | None

    @property
    def is_enabled(self) -> bool:
        """Return whether any origin is allowed."""
        return bool(self.webhook_origins)

    def respond(self, headers: Mapping[str, str], methods: str) -> JsonResponse:
        """Respond to an OPTIONS request. Raises `RequestRejected` for an origin without permission.

        If a request has no origin, it only asks for the allowed methods.
        """
        origin = headers.get(REQUEST_ORIGIN)
        if origin is None:
            return JsonResponse(HTTPStatus.OK, {"status": "ok"}, {"allow": methods})
        allowed = {each.lower() for each in self.webhook_origins}
        if ANY not in allowed and origin.strip().lower() not in allowed:
            raise RequestRejected(
                HTTPStatus.FORBIDDEN, f"{REQUEST_ORIGIN}: not allowed", allow=methods
            )
        permission = {
            "allow": methods,
            ALLOWED_ORIGIN: origin.strip(),
            ALLOWED_RATE: ANY if self.webhook_rate is None else str(self.webhook_rate),
        }
        return JsonResponse(HTTPStatus.OK, {"status": "ok"}, permission)
