"""The recipes of the how-to page against local services that speak their protocols."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from support.builders.effects import effect
from support.probes.page_blocks import DOCS, ROOT, blocks_of
from support.servers.web_service import Answer, http_endpoint
from winchester_core.bootstrap import load_settings
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.testing import make_env, make_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.web_service import Behaviour, Endpoint, Request
    from winchester_core.interfaces import DeliveryOutcome

CANARY = "c4n4ryS3cr3t"
ENVIRON = {
    "SLACK_URL": f"https://hooks.slack.com/services/T0/B0/{CANARY}",
    "PAGERDUTY_KEY": CANARY,
    "OPSGENIE_KEY": CANARY,
    "TEAMS_URL": f"https://teams.example.org/workflows/w/invoke?sig={CANARY}",
}
HOSTILE = 'web"1\\</b>{{ 7 }}\n'
CONSOLE_URL = "https://console.example.org/streams/7"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECIPES = ("slack_message", "pagerduty", "opsgenie_create", "opsgenie_close", "teams_card")


@cache
def recipes() -> dict[str, Any]:
    """Return the handler and its parameters of each pipeline on the page."""
    pipelines: dict[str, Any] = {}
    for block in blocks_of(DOCS / "how-to" / "notify.md", ROOT):
        if block.language == "yaml":
            content = yaml.safe_load(block.text)
            pipelines |= {name: content[name] for name in RECIPES if name in content}
    settings = load_settings(
        {"database": {"url": "sqlite://"}, "pipeline_config": _substituted(pipelines)}
    )
    return {name: entries[0] for name, entries in settings.pipelines.items()}


def _substituted(pipelines: Any) -> Any:
    text = json.dumps(pipelines)
    for name, value in ENVIRON.items():
        start = text.find(f"${{{name}:-")
        while start >= 0:
            end = text.index("}", start)
            text = text[:start] + value + text[end + 1 :]
            start = text.find(f"${{{name}:-")
    return json.loads(text)


class Recipe:
    """A pipeline of the page, with the local service in the place of the host of its URL."""

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        entry = recipes()[name]
        url = urlsplit(entry.params["url"])
        local = endpoint.url.rstrip("/") + url._replace(scheme="", netloc="").geturl()
        self.handler = entry.handler_class(**{**entry.params, "url": local})
        self.endpoint = endpoint

    def run(self, reason: str = "expire", host: str = "web-1", url: str | None = None) -> Any:
        """Process a stream of two events; return the queued payload."""
        events = [
            make_event("backup.end", message_id=f"m{n}", timestamp=NOON + timedelta(hours=n))
            for n in (1, 2)
        ]
        facts = {"stream_id": 7, "stream_name": "backups", "reason": reason}
        env = make_env(**facts, distinguished_by={"host": host}, stream_url=url)
        self.handler.handle_events(events, env)
        (payload,) = env["outbox"].payloads
        return payload

    def send(self, payload: Any, *behaviours: Behaviour) -> tuple[DeliveryOutcome, Request]:
        self.endpoint.answer(*behaviours)
        (outcome,) = self.handler.deliver([effect(payload)])
        return outcome, self.endpoint.requests[-1]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with http_endpoint() as running:
        yield running


def test_slack(endpoint: Endpoint) -> None:
    recipe = Recipe("slack_message", endpoint)

    outcome, request = recipe.send(recipe.run(host="a<b", url=CONSOLE_URL), Answer(200, body=b"ok"))

    assert outcome == Delivered()
    assert request.path == f"/services/T0/B0/{CANARY}"
    assert request.json["text"] == "backups: expire"
    section, link = request.json["blocks"]
    assert section["text"] == {"type": "mrkdwn", "text": "*backups* 2 events on a&lt;b"}
    assert link["text"]["text"] == f"<{CONSOLE_URL}|Open in the console>"


def test_pagerduty_triggers_and_resolves_one_incident(endpoint: Endpoint) -> None:
    recipe = Recipe("pagerduty", endpoint)
    accepted = Answer(202, body=b'{"status": "success"}')

    bodies = []
    for reason in ("expire", "cancel"):
        outcome, request = recipe.send(recipe.run(reason, url=CONSOLE_URL), accepted)
        assert (outcome, request.path) == (Delivered(), "/v2/enqueue")
        bodies.append(request.json)

    assert [body["event_action"] for body in bodies] == ["trigger", "resolve"]
    assert {body["dedup_key"] for body in bodies} == {"backups/web-1"}
    assert {body["routing_key"] for body in bodies} == {CANARY}
    payload = bodies[0]["payload"]
    assert payload["summary"] == "backups on web-1"
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert payload["timestamp"] == "2026-03-01T14:00:00+00:00"
    assert bodies[0]["links"] == [{"href": CONSOLE_URL, "text": "stream"}]


def test_opsgenie_creates_and_closes_one_alert(endpoint: Endpoint) -> None:
    create, close = Recipe("opsgenie_create", endpoint), Recipe("opsgenie_close", endpoint)
    accepted = Answer(202, body=b'{"result": "Request will be processed"}')

    created, creation = create.send(create.run(host="a/b c"), accepted)
    closed, closing = close.send(close.run("cancel", host="a/b c"), accepted)

    assert (created, closed) == (Delivered(), Delivered())
    assert creation.path == "/v2/alerts"
    assert creation.json["alias"] == "backups:a/b c"
    assert closing.path == "/v2/alerts/backups%3Aa%2Fb%20c/close?identifierType=alias"
    assert unquote(closing.path.split("/")[3]) == creation.json["alias"]
    for request in (creation, closing):
        assert request.headers["authorization"] == f"GenieKey {CANARY}"


def test_teams(endpoint: Endpoint) -> None:
    recipe = Recipe("teams_card", endpoint)

    outcome, request = recipe.send(recipe.run(url=CONSOLE_URL), 202)

    assert outcome == Delivered()
    assert request.path == f"/workflows/w/invoke?sig={CANARY}"
    (attachment,) = request.json["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"][1]["facts"] == [
        {"title": "host", "value": "web-1"},
        {"title": "events", "value": "2"},
    ]
    assert card["actions"][0]["url"] == CONSOLE_URL


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("reason", ["fire", "expire", "cancel"])
def test_each_recipe_is_valid_json_for_hostile_values(
    name: str, reason: str, endpoint: Endpoint
) -> None:
    recipe = Recipe(name, endpoint)

    outcome, request = recipe.send(recipe.run(reason, HOSTILE), 202)

    assert outcome == Delivered()
    assert request.headers["content-type"] == "application/json"
    assert isinstance(request.json, dict)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (
            Answer(429, {"Retry-After": "7"}, CANARY.encode()),
            RetryAfter(7, "the service responded with 429 Too Many Requests"),
        ),
        (
            Answer(400, body=CANARY.encode()),
            Refused("the service responded with 400 Bad Request"),
        ),
        (503, RetryAfter(None, "the service responded with 503 Service Unavailable")),
    ],
)
def test_a_recipe_retries_and_refuses_as_documented(
    name: str, behaviour: Behaviour, outcome: DeliveryOutcome, endpoint: Endpoint
) -> None:
    recipe = Recipe(name, endpoint)

    assert recipe.send(recipe.run(), behaviour)[0] == outcome
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("name", RECIPES)
def test_no_secret_of_a_recipe_is_stored_or_logged(
    name: str, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    recipe = Recipe(name, endpoint)

    payload = recipe.run()
    _, request = recipe.send(payload, 500)

    assert CANARY not in json.dumps(payload)
    assert CANARY in request.body.decode() + request.path + str(request.headers)
    assert CANARY not in caplog.text
