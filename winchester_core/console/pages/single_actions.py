"""Actions on one object: their requests, and the pages to confirm a deletion."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from winchester_core.console import actions
from winchester_core.console.identity import require_operator
from winchester_core.console.pages.acting import operator_of
from winchester_core.console.pages.page import DONE, problem_page, redirect, render, site_of
from winchester_core.console.parameters import parse_id
from winchester_core.console.paths import Link
from winchester_core.console.problems import Problem, problem_of
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.actions import ActionResult
    from winchester_core.console.site import Site

KEPT_REJECTED: Final = ("invalid", "failed")
"""Outcomes of a retry after which the rejected message still exists."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects: `path` of their list, `get` reads one."""

    path: str
    noun: str
    get: Callable[[Site, int], Any]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A page that asks to confirm an action, for `confirm.html`."""

    title: str
    text: str
    action: str
    button: str
    cancel_url: str
    is_dangerous: bool = True
    fields: dict[str, str] = field(default_factory=dict)


STREAM: Final = Kind("/streams", "stream", lambda s, i: s.store.get_stream_by_id(i))
REJECTED: Final = Kind("/rejected", "rejected message", lambda s, i: s.store.get_rejected(i))
EFFECT: Final = Kind("/outbox", "effect", lambda s, i: s.store.get_effect(i))


@dataclass(frozen=True, slots=True)
class SingleAction:
    """An action on one object. `question` is the text of its confirmation; empty if it has none.

    `removes` returns whether the object does not exist after an outcome.
    """

    name: str
    kind: Kind
    question: str = ""
    removes: Callable[[str], bool] = lambda _outcome: True

    @property
    def verb(self) -> str:
        """The last part of its path."""
        return self.name.partition(".")[2]


SINGLE_ACTIONS: Final = (
    SingleAction(actions.RESET, STREAM, removes=lambda _outcome: False),
    SingleAction(
        actions.DISCARD,
        STREAM,
        "The stream in error is deleted for good, with its links to events. The events are kept. "
        "No pipeline runs for it.",
    ),
    SingleAction(
        actions.PURGE,
        STREAM,
        "The stream is deleted for good in its current state, with its links to events. The events "
        "are kept. If it is still open, it neither fires nor expires.",
    ),
    SingleAction(
        actions.RETRY_REJECTED, REJECTED, removes=lambda outcome: outcome not in KEPT_REJECTED
    ),
    SingleAction(
        actions.DISCARD_REJECTED,
        REJECTED,
        "The message is deleted for good, with its body. It never becomes an event.",
    ),
    SingleAction(actions.RETRY_EFFECT, EFFECT, removes=lambda _outcome: False),
    SingleAction(
        actions.DISCARD_EFFECT,
        EFFECT,
        "The effect is deleted for good and not delivered. Later effects of its stream and handler "
        "no longer wait for it.",
    ),
)


def single_action_routes() -> list[Route]:
    """Return the routes of the actions and of their confirmations."""
    routes = []
    for each in SINGLE_ACTIONS:
        path = f"{each.kind.path}/{{id}}/{each.verb}"
        routes.append(Route(path, partial(_perform, each), methods=["POST"]))
        if each.question:
            routes.append(Route(path, partial(_confirm, each), methods=["GET"]))
    return routes


def _confirm(action: SingleAction, request: Request) -> Response:
    """Return the page that asks to confirm an action."""
    require_operator(request)
    site, kind = site_of(request), action.kind
    object_id = _object_id(action, request)
    kind.get(site, object_id)
    path = f"{site.options.prefix}{kind.path}/{object_id}"
    return render(
        request,
        "confirm.html",
        kind.path[1:],
        confirmation=Confirmation(
            title=f"{action.verb.capitalize()} {kind.noun} {object_id}?",
            text=action.question,
            action=f"{path}/{action.verb}",
            button=f"{action.verb.capitalize()} {kind.noun}",
            cancel_url=path,
        ),
    )


def _perform(action: SingleAction, request: Request) -> Response:
    """Perform an action, and redirect to the object, or to the list if it no longer exists."""
    operator, kind = operator_of(request), action.kind
    object_id = _object_id(action, request)
    perform = actions.SINGLE_ACTIONS[action.name]
    try:
        result = perform(site_of(request), operator, object_id)
    except (Problem, WinchesterError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        is_unknown = problem.status is HTTPStatus.NOT_FOUND
        back = Link(f"{kind.path}/{object_id}", f"Back to {kind.noun} {object_id}")
        return problem_page(request, problem, None if is_unknown else back)
    code = _notice_code(action, result)
    if action.removes(result.outcome):
        return redirect(request, f"{kind.path}?{DONE}={code}")
    return redirect(request, f"{kind.path}/{object_id}?{DONE}={code}")


def _object_id(action: SingleAction, request: Request) -> int:
    return parse_id(request.path_params["id"], action.kind.noun)


def _notice_code(action: SingleAction, result: ActionResult) -> str:
    """Return the code in `NOTICES`; the outcome of a reset is the new state of the stream."""
    return "reset" if action.name == actions.RESET else result.outcome
