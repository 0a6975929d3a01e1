"""Parameters of the `nats` handler."""

from __future__ import annotations

from voluptuous import Optional, Required

from winchester_core.interfaces.nats_params import SUBJECT_NAME, connection_schema
from winchester_core.interfaces.params import seconds
from winchester_handlers.event_content import content_parameters

NATS_SCHEMA = connection_schema(
    {
        Required(
            "subject", description="subject to publish to; a JetStream stream must store it"
        ): SUBJECT_NAME,
        **content_parameters("message"),
        Optional(
            "timeout",
            default=30,
            description="timeout in seconds for connecting, and for the acknowledgement of each "
            "message",
        ): seconds(maximum=3600, over_minimum=True),
    }
)
