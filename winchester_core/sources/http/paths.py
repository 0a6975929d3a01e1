"""Fixed paths of the API."""

from __future__ import annotations

from typing import Final

EVENTS: Final = "/v1/events"
NOTIFICATIONS: Final = "/v1/notifications"
CLOUDEVENTS: Final = "/v1/cloudevents"
LIVE: Final = "/healthz/live"
READY: Final = "/healthz/ready"
OPENAPI: Final = "/openapi.json"

FIXED_PATHS: Final = (EVENTS, NOTIFICATIONS, CLOUDEVENTS, LIVE, READY, OPENAPI)
