"""A site of which every field that a page shows contains hostile text."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.builders.hostile_texts import HOSTILE, HUGE, MIXED, SHORT
from support.builders.operations import make_report
from support.scenes.sites import Site
from winchester_core.bootstrap import load_settings, make_ingester, make_worker, stream_clock
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import EventSource, PipelineHandler
from winchester_core.model.action import Action
from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject
from winchester_core.model.message import Message, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.storage.sql.store import SqlStore

FAILING, SENDING = f"fails {MIXED}", f"sends {MIXED}"
"""Names of the two triggers, and of their pipelines."""

GROUP, SIZE = "group", f"size{MIXED}"

TESTS = Path(__file__).resolve().parents[2]

SETTINGS = """\
database: {{url: "{url}"}}
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
purge_completed_streams: false
max_attempts: 1
statistics_period: 1
"""


class FailingHandler(PipelineHandler):
    """Fails with hostile text."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        raise ValueError(MIXED + HUGE)


class SendingHandler(PipelineHandler):
    """Queues hostile text; an endpoint refuses it with more of it."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        env["outbox"].put({MIXED: [*SHORT, HUGE[:60_000]]})
        return events

    def deliver(self, effects: list[Effect]) -> Sequence[DeliveryOutcome]:
        from winchester_core.interfaces import Refused

        return [Refused(MIXED) for _ in effects]


HANDLERS = {"failing": FailingHandler, "sending": SendingHandler}


class _Source(EventSource):
    def ack(self, messages: Any) -> None:
        """Acknowledge nothing: there is no origin."""


class HostileSite(Site):
    """The site, filled by the ingester and a worker."""

    def __init__(self, path: Path, url: str | None = None) -> None:
        super().__init__(path, url)
        self.write("winchester.yaml", SETTINGS.format(url=self.url))
        self.write("triggers.yaml", yaml.safe_dump([_trigger(FAILING), _trigger(SENDING)]))
        pipelines = {FAILING: ["failing"], SENDING: ["sending"]}
        self.write("pipelines.yaml", yaml.safe_dump(pipelines))
        for name, handler in HANDLERS.items():
            source = (
                f"import sys\nsys.path.append({str(TESTS)!r})\n"
                f"from {__name__} import {handler.__name__}\n"
            )
            self.install("winchester.handlers", name, handler.__name__, source)

    def fill(self) -> None:
        """Create the tables, events, streams, rejected messages, effects, processes, actions."""
        self.migrate()
        settings = load_settings(self.config, pipeline_handlers=HANDLERS)
        logger = logging.getLogger("winchester_core")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            with self.store() as store:
                self._fill(settings, store)
        finally:
            logger.setLevel(level)

    def _fill(self, settings: Any, store: SqlStore) -> None:
        clock = stream_clock(settings, store)
        ingester = make_ingester(settings, store, clock)
        ingester.add_events(_events(datetime.now(UTC)))
        pump = SourcePump(MIXED, _Source(), ingester, batch_size=9, stop=threading.Event())
        pump.ingest(
            [Message(text.encode(), MessageKind.EVENT, received_from=text) for text in HOSTILE]
        )
        worker = make_worker(settings, store, clock)
        for _ in range(3):
            worker.run_once()
        ingester.debug.flush()
        store.report_process(
            make_report(MIXED, name=MIXED, host=MIXED, version=TEXT_OF_VERSION, overdue=(MIXED,)),
            {
                ActivityKey(Subject.TRIGGER, FAILING): ActivityCounts(streams_failed=3),
                ActivityKey(Subject.PIPELINE, MIXED): ActivityCounts(runs=2),
            },
        )
        values = {"name": MIXED, "role": "operator", "address": MIXED, "number": 1}
        store.record_action(Action(**values, action="stream.reset", target=MIXED + HUGE[:60_000]))


TEXT_OF_VERSION = "<script>1</script>"


def _trigger(name: str) -> dict[str, Any]:
    """Return a trigger that fires with three events, and counts why others do not match."""
    return {
        "name": name,
        "debug_level": 2,
        "distinguished_by": [GROUP],
        "match_criteria": [{"event_type": f"{name[:5]}*", "traits": {SIZE: {"numeric": "> 0"}}}],
        "fire_criteria": [{"event_type": "*", "number": 3}],
        "expiration": "$last + 1h",
        "fire_pipeline": name,
    }


def _events(now: datetime) -> list[dict[str, Any]]:
    """Return events with each text in each place: three for each text and trigger."""
    return [
        {
            "message_id": f"{name[:5]}{number}{text}"[:255],
            "event_type": f"{name[:5]}{text}"[:255],
            "timestamp": now - timedelta(minutes=10 - number),
            GROUP: text,
            SIZE: 1 if number < 3 else text,
            text[:200]: text,
        }
        for name in (FAILING, SENDING)
        for text in HOSTILE
        for number in range(4)
    ]
