"""Pages of the outbox: the list of effects with the backlog of each endpoint, and one effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from winchester_core.console import actions
from winchester_core.console.bodies import masked_text_of
from winchester_core.console.pages.acting import may_act, operator_of
from winchester_core.console.pages.lists import list_page
from winchester_core.console.pages.page import notice_of, render, site_of
from winchester_core.console.parameters import parse_id
from winchester_core.console.resources import OUTBOX
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import ListOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.site import Site
    from winchester_core.model.effect import Endpoint
    from winchester_core.model.statistics import EffectBacklog
    from winchester_core.storage.effect_records import StoredEffect

SECTION: Final = "outbox"
MAX_ENDPOINTS: Final = 50
"""Maximum number of endpoints in the table of backlogs; those with the most dead letters."""

MAX_AHEAD: Final = 100
"""Maximum number of effects to read that are delivered before another one."""

MAX_SHOWN_AHEAD: Final = 10


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """The backlog of an endpoint, and the queries of the lists of its effects."""

    endpoint: Endpoint
    backlog: EffectBacklog

    def query(self, state: str) -> str:
        """Return the query of the list of its effects in a state."""
        fields = {"state": state, "pipeline": self.endpoint.pipeline}
        return urlencode({**fields, "handler": self.endpoint.handler})


@dataclass(frozen=True, slots=True)
class EffectsAhead:
    """Pending effects of the same stream and endpoint that are delivered first.

    `shown` are the first of them by id, `number` is their number, counted up to `MAX_AHEAD` + 1.
    """

    shown: list[StoredEffect]
    number: int


def outbox_page(request: Request) -> Response:
    """Return the list of effects, with the backlog of each endpoint."""
    site = site_of(request)
    rows = _endpoint_rows(site.statistics.get().effects)
    return list_page(
        request,
        OUTBOX,
        "outbox.html",
        SECTION,
        states=list(EffectState),
        endpoints=rows[:MAX_ENDPOINTS],
        omitted=max(0, len(rows) - MAX_ENDPOINTS),
        counted_seconds=site.statistics.age_seconds,
        may_act=may_act(request),
    )


def effect_page(request: Request) -> Response:
    """Return the page of one effect, its payload masked."""
    return _effect_page(request, _effect_id(request))


def raw_effect_page(request: Request) -> Response:
    """Return the page of one effect with its secrets. It is a recorded action."""
    effect_id = _effect_id(request)
    raw = actions.show_effect_payload(site_of(request), operator_of(request), effect_id)
    return _effect_page(request, effect_id, raw)


def _effect_id(request: Request) -> int:
    return parse_id(request.path_params["id"], "effect")


def _effect_page(request: Request, effect_id: int, raw: str | None = None) -> Response:
    site = site_of(request)
    effect = site.store.get_effect(effect_id)
    return render(
        request,
        "effect.html",
        SECTION,
        effect=effect,
        ahead=_effects_ahead(site, effect),
        body=masked_text_of(effect.payload.encode()),
        raw=raw,
        now=site.store.real_time(),
        notice=notice_of(request),
        may_act=may_act(request),
    )


def _endpoint_rows(backlogs: Mapping[Endpoint, EffectBacklog]) -> list[EndpointRow]:
    """Return a row for each endpoint with a backlog: most dead letters, then most pending first."""
    rows = [EndpointRow(endpoint, each) for endpoint, each in backlogs.items()]
    waiting = [row for row in rows if row.backlog.pending or row.backlog.dead]
    return sorted(waiting, key=lambda row: (-row.backlog.dead, -row.backlog.pending, row.endpoint))


def _effects_ahead(site: Site, effect: StoredEffect) -> EffectsAhead:
    """Return the pending effects of the same ordering key with lower ids."""
    if effect.state is not EffectState.PENDING:
        return EffectsAhead([], 0)
    endpoint = effect.endpoint
    page = site.store.page_of_effects(
        EffectFilter(
            state=EffectState.PENDING,
            stream_id=effect.stream_id,
            pipeline=endpoint.pipeline,
            handler=endpoint.handler,
        ),
        after=(effect.id,),
        limit=MAX_AHEAD + 1,
        order=ListOrder.NEWEST,
    )
    ahead = [each for each in page.items if each.endpoint == endpoint]
    return EffectsAhead(ahead[::-1][:MAX_SHOWN_AHEAD], len(ahead))
