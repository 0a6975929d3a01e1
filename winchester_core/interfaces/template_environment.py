"""Jinja environment of templates: sandbox, limits, filters. Requires Jinja2, the extra `templates`.

A template is text of the configuration; the events that it shows are not trusted. Its time is
bounded: it has no recursion, and each step of each loop counts towards a limit.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Final, NoReturn

from jinja2 import StrictUndefined, TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from winchester_core.interfaces.template_filters import (
    FILTERS,
    ITERATING_FILTERS,
    JINJA_FILTERS,
    JINJA_TESTS,
    require_defined,
)
from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from jinja2 import Template

MAX_STEPS: Final = 100_000
"""Maximum number of steps of all loops of one rendering."""
MAX_TEXT_CHARACTERS: Final = 65_536
"""Maximum length of an intermediate text."""
MAX_RANGE: Final = 10_000
FILE_NAME: Final = "<winchester template>"
"""Name of the code of templates in tracebacks."""

_steps: ContextVar[Iterator[int]] = ContextVar("steps")


METHODS: Final[dict[type, frozenset[str]]] = {
    str: frozenset({"endswith", "lower", "split", "startswith", "strip", "upper"}),
    dict: frozenset({"get", "items", "keys", "values"}),
    datetime: frozenset(
        ["year", "month", "day", "hour", "minute", "second", "date", "isoformat", "strftime"]
    ),
    timedelta: frozenset({"days", "seconds", "total_seconds"}),
    LoopContext: frozenset({"first", "index", "index0", "last", "length", "previtem", "nextitem"}),
}
"""Attributes of values that a template may use."""


# The environment.


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Sandbox in which templates read plain values and call a few of their methods."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            undefined=StrictUndefined, autoescape=autoescape, keep_trailing_newline=False
        )
        self.trim_blocks = self.lstrip_blocks = True
        self.filters = {name: self.filters[name] for name in JINJA_FILTERS} | FILTERS
        self.filters["_counted"], self.filters["_limited"] = _counted, _limited
        self.tests = {name: self.tests[name] for name in JINJA_TESTS}
        self.globals = {"range": _bounded_range}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an item of a mapping before a method of the same name."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """Return None: `format` is not among `METHODS`, because its widths have no limit."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return whether the attribute is among `METHODS`."""
        return any(attr in names for kind, names in METHODS.items() if isinstance(obj, kind))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator to numbers, times and durations; join texts by `+`."""
        if operator in ("*", "**", "%") and not (_is_small(left) and _is_small(right)):
            raise TemplateRuntimeError(f"{operator} works on numbers below 10^15 only")
        if operator == "**" and abs(right) > 16:
            raise TemplateRuntimeError("** works with exponents up to 16 only")
        result = super().call_binop(context, operator, left, right)
        return _limited(result) if isinstance(result, str) else result


def _is_small(value: Any) -> bool:
    return isinstance(value, int | float | timedelta) and (
        isinstance(value, timedelta) or abs(value) < 10**15
    )


def _bounded_range(*bounds: int) -> range:
    result = range(*bounds)
    if len(result) > MAX_RANGE:
        raise TemplateRuntimeError(f"range() has more than {MAX_RANGE} numbers")
    return result


def _counted(iterable: Iterable[Any]) -> Iterable[Any]:
    """Yield the items of a loop, as long as all loops together have at most `MAX_STEPS` steps."""
    require_defined(iterable)
    return _CountedItems(iterable)


class _CountedItems:
    """Iterable with a length, so that `loop.last` and `loop.length` work."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._items = list(islice(iterable, MAX_STEPS + 1))

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        steps = _steps.get()
        for item in self._items:
            if next(steps) >= MAX_STEPS:
                raise TemplateRuntimeError(f"its loops have more than {MAX_STEPS} steps")
            yield item


def _limited(text: Any) -> Any:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise TemplateRuntimeError(f"a text has more than {MAX_TEXT_CHARACTERS} characters")
    return text


class _Limits(NodeTransformer):
    """Rejects statements that could run without end or are not needed; adds limits to others."""

    def __init__(self, environment: TemplateEnvironment) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's names
        """Count the steps of a loop."""
        if node.recursive:
            _reject(node, "recursive loops are not available in templates")
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Limit the length of joined texts."""
        self.generic_visit(node)
        return nodes.Filter(node, "_limited", [], [], None, None, lineno=node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        """Reject an unknown filter, also where it is not reached; count the items of others."""
        self._check_known(node, "filter", self._environment.filters)
        self.generic_visit(node)
        if node.name in ITERATING_FILTERS and node.node is not None:
            node.node = nodes.Filter(node.node, "_counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        """Reject an unknown test, also where it is not reached."""
        self._check_known(node, "test", self._environment.tests)
        return self.generic_visit(node)

    def _check_known(self, node: Any, kind: str, known: Collection[str]) -> None:
        public = [each for each in known if not each.startswith("_")]
        if node.name not in public:
            close = nearest(node.name, public)
            hint = f"; did you mean {close!r}?" if close else ""
            _reject(node, f"no {kind} is named {node.name!r}{hint}")

    def _rejected(self, node: nodes.Node) -> NoReturn:
        name = {"FromImport": "import", "CallBlock": "call", "FilterBlock": "filter"}.get(
            type(node).__name__, type(node).__name__.lower()
        )
        _reject(node, f"the statement {name!r} is not available in templates")

    visit_Macro = visit_CallBlock = visit_FilterBlock = _rejected  # noqa: N815
    visit_Include = visit_Import = visit_FromImport = _rejected  # noqa: N815
    visit_Extends = visit_Block = _rejected  # noqa: N815

    def visit_AssignBlock(self, node: nodes.Node) -> NoReturn:  # noqa: N802
        """Reject a block whose output would not be limited."""
        _reject(node, "a 'set' with an 'endset' is not available in templates")


def _reject(node: nodes.Node, message: str) -> NoReturn:
    raise TemplateSyntaxError(message, node.lineno)


_ENVIRONMENTS: Final = {each: TemplateEnvironment(autoescape=each) for each in (False, True)}


@lru_cache(maxsize=1024)
def compiled(source: str, *, autoescape: bool = False) -> Template:
    """Return the compiled template. Raises `jinja2.TemplateSyntaxError`."""
    environment = _ENVIRONMENTS[autoescape]
    tree = _Limits(environment).visit(environment.parse(source))
    code = environment.compile(tree, filename=FILE_NAME)
    return environment.template_class.from_code(
        environment, code, environment.make_globals(None), None
    )


def undeclared_variables(source: str) -> dict[str, int]:
    """Return the variables that a template reads from outside, each with its first line."""
    environment = _ENVIRONMENTS[False]
    tree = environment.parse(source)
    names = find_undeclared_variables(tree) - set(environment.globals)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in names and node.ctx == "load":
            lines.setdefault(node.name, node.lineno)
    return lines


def unknown_key(source: str, variable: str, known: Collection[str]) -> tuple[str, int] | None:
    """Return the first key of a mapping that a template reads and that is not `known`.

    `variable` is the mapping's name; a template that assigns this name is not examined. The second
    element is the line.
    """
    tree = _ENVIRONMENTS[False].parse(source)
    if any(node.name == variable and node.ctx != "load" for node in tree.find_all(nodes.Name)):
        return None
    reads: list[tuple[nodes.Expr, Any, int, Collection[str]]] = [
        (node.node, node.attr, node.lineno, {*known, *METHODS[dict]})
        for node in tree.find_all(nodes.Getattr)
    ]
    reads += [
        (node.node, node.arg.value, node.lineno, known)
        for node in tree.find_all(nodes.Getitem)
        if isinstance(node.arg, nodes.Const)
    ]
    for read, key, line, allowed in reads:
        if isinstance(read, nodes.Name) and read.name == variable and key not in allowed:
            return str(key), line
    return None


@contextmanager
def limited_steps() -> Iterator[None]:
    """Limit the steps of all loops of a rendering within the context to `MAX_STEPS`."""
    token = _steps.set(count())
    try:
        yield
    finally:
        _steps.reset(token)


def line_of(error: BaseException) -> int | None:
    """Return the line of the template in which an error was raised, from 1."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
