"""Operations of the API: one declaration for its route and its OpenAPI description."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.console.actions import Operator
    from winchester_core.console.parameters import Query, QueryParameter
    from winchester_core.console.site import Site

PREFIX: Final = "/api/v1"
"""Path of the API below that of the console."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request: the variables of its path, its query, its JSON body ({} if none), and its sender.

    The names of the query's parameters are those of the operation.
    """

    path: Mapping[str, str]
    query: Query
    body: Mapping[str, Any]
    operator: Operator


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path below `PREFIX`.

    `handle` returns the JSON of a response with status 200. It may raise `Problem`, `UsageError` or
    `StorageError`. `tag` is the name of the kind of objects. `path_schemas` are the JSON Schemas of
    the variables in the path, `body` that of the request (without one, the body is empty), and
    `result` is the name of the response's schema in `api.schemas`. `problems` are further statuses
    besides those that all operations of its method may have.
    """

    method: Literal["GET", "POST"]
    path: str
    tag: str
    summary: str
    handle: Callable[[Site, ApiRequest], Any]
    result: str
    parameters: Sequence[QueryParameter] = ()
    path_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    problems: Sequence[int] = ()
    description: str = ""

    @property
    def name(self) -> str:
        """The operation's unique name, such as ``post_streams_id_reset``."""
        parts = self.path.replace("{", "").replace("}", "").strip("/").split("/")
        return "_".join([self.method.lower(), *parts])

    @property
    def changes(self) -> bool:
        """Return whether it needs the role operator and a console that is not read-only."""
        return self.method == "POST"
