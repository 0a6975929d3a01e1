"""Pages of rejected messages: the list, and one message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from winchester_core.console import actions
from winchester_core.console.bodies import masked_text_of
from winchester_core.console.pages.acting import may_act, operator_of
from winchester_core.console.pages.lists import list_page
from winchester_core.console.pages.page import notice_of, render, site_of
from winchester_core.console.parameters import parse_id
from winchester_core.console.resources import REJECTED
from winchester_core.masking import masked_context
from winchester_core.model.message import MessageKind

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SECTION: Final = "rejected"


def rejected_page(request: Request) -> Response:
    """Return the list of rejected messages."""
    return list_page(
        request,
        REJECTED,
        "rejected.html",
        SECTION,
        kinds=list(MessageKind),
        may_act=may_act(request),
    )


def rejected_message_page(request: Request) -> Response:
    """Return the page of one message, its body masked."""
    return _message_page(request, _message_id(request))


def raw_rejected_message_page(request: Request) -> Response:
    """Return the page of one message with its body as received. It is a recorded action."""
    message_id = _message_id(request)
    raw = actions.show_rejected_body(site_of(request), operator_of(request), message_id)
    return _message_page(request, message_id, raw)


def _message_id(request: Request) -> int:
    return parse_id(request.path_params["id"], "rejected message")


def _message_page(request: Request, message_id: int, raw: str | None = None) -> Response:
    site, acts = site_of(request), may_act(request)
    message = site.store.get_rejected(message_id)
    body = masked_text_of(message.body)
    context = None
    if message.context is not None:
        context = json.dumps(masked_context(message.context), indent=2, ensure_ascii=False)
    return render(
        request,
        "rejected_message.html",
        SECTION,
        message=message,
        kept=len(message.body),
        body=body if body.is_json or acts else None,
        raw=raw,
        context_json=context,
        now=site.store.real_time(),
        notice=notice_of(request),
        may_act=acts,
    )
