"""Handler that renders messages for people and sends them through Apprise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import (
    Delivered,
    EventTypePatterns,
    PipelineHandler,
    Refused,
    RetryAfter,
)
from winchester_core.interfaces.templates import message_variables, render
from winchester_handlers.event_content import no_message
from winchester_handlers.notify.attempts import AttemptTimeout, run_within
from winchester_handlers.notify.params import NOTIFY_SCHEMA
from winchester_handlers.notify.service import (
    InvalidTarget,
    Message,
    masked_reason,
    open_service,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from voluptuous import Schema

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model import Event
    from winchester_handlers.notify.service import Target


class NotifyHandler(PipelineHandler):
    """Sends a message about the stream, or each event, to people; needs the extra `notify`.

    Texts are templates. The services are those of Apprise, such as mail, Slack and Telegram.
    """

    example: ClassVar[str] = """
        - name: notify
          params:
            targets:
              mail: mailtos://winchester:secret@mail.example.org?to=oncall@example.org
              phone: ntfys://ntfy.example.org/operations
            title: "{{ stream.name }}: {{ reason }} after {{ stream.count }} events"
            body: |
              {{ first.event_type }} at {{ first.timestamp | local('Europe/Berlin') }},
              then no more for {{ (stream.time - stream.end) | duration }}.
              {{ stream_url or '' }}
            type: {fire: info, expire: failure}
    """
    config_schema: ClassVar[Schema] = NOTIFY_SCHEMA

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._patterns = EventTypePatterns(self.params["event_types"])

    @classmethod
    def effect_receivers(cls, params: Mapping[str, Any]) -> Iterable[str]:
        """Return the names of the targets, so that none waits for another."""
        return tuple(params["targets"])

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Render the messages and queue each for every target; return `events` unchanged."""
        matching = [event for event in events if self._patterns.matches(event["event_type"])]
        for variables in message_variables(matching, env, self.params["send"]):
            message = self._render(variables)
            if message["body"].strip():
                for name in self.params["targets"]:
                    env["outbox"].put({"target": name, **message}, receiver=name)
        return events

    def _render(self, variables: Mapping[str, Any]) -> dict[str, str]:
        form = self.params["format"]
        title = render(self.params["title"], variables, "title")
        body = render(self.params["body"], variables, "body", autoescape=form == "html")
        kind = self.params["type"][variables["reason"]]
        return {"title": " ".join(title.split()), "body": body, "type": kind, "format": form}

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        """Send the messages one after the other; after a failure the others are not tried now."""
        outcomes: list[DeliveryOutcome] = []
        for effect in effects:
            outcome = self._deliver(effect)
            outcomes.append(outcome)
            if isinstance(outcome, RetryAfter):
                break
        untried = RetryAfter(0, "not tried: an earlier message was not accepted")
        return outcomes + [untried] * (len(effects) - len(outcomes))

    def _deliver(self, effect: Effect) -> DeliveryOutcome:
        payload = effect.payload
        try:
            target: Target | None = self.params["targets"].get(payload["target"])
            message = Message(payload["title"], payload["body"], payload["type"], payload["format"])
        except Exception as error:  # noqa: BLE001 - delays this effect, and not the others
            return no_message(error)
        if target is None:
            return Refused(f"no target is named {payload['target']!r}")
        reason = self._attempt(target, message)
        if reason is None:
            return Delivered()
        return RetryAfter(reason=f"target {payload['target']!r}: {reason}")

    def _attempt(self, target: Target, message: Message) -> str | None:
        """Send a message; return None, or why it was not accepted, without secrets."""
        timeout = self.params["timeout"]
        try:
            service = open_service(target, timeout)
        except InvalidTarget as error:
            return str(error)
        try:
            reason = run_within(timeout, target, lambda: send(service, message))
        except AttemptTimeout as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - of the service's code
            reason = f"{type(error).__name__}: {error}"
        return None if reason is None else masked_reason(reason, target, service)
