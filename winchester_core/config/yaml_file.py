"""Reading a YAML file: one safe document of bounded size, with the place of every key and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from winchester_core.config.document import Document, Mark
from winchester_core.config.yaml_tree import TreeBuilder, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from winchester_core.config.document import Path as TreePath
    from winchester_core.config.report import Report

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 100

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader where PyYAML was built with it; the slower one in Python otherwise."""

SECOND_DOCUMENT = "but found another document"
NESTING = "exceeded maximum nesting depth"
"""libyaml's own bound (0.2.6 on); its scanner, which reads ahead, may meet it before we do ours."""

TOO_DEEP = f"is nested over {MAX_DEPTH} levels deep"
OPENINGS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
CLOSINGS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def never(_path: TreePath) -> bool:
    """No key may stand twice."""
    return False


def read_yaml(
    path: Path,
    report: Report,
    environ: Mapping[str, str],
    may_repeat: Callable[[TreePath], bool] = never,
) -> Document | None:
    """Read the file at `path`; an empty one has the value None.

    Problems go to `report`. Returns None when the file could not be read as a whole; a document
    with problems in parts of it is returned, so that the rest can be checked as well. A key that
    stands twice is a problem, or, where `may_repeat` says so of its path, a warning.
    """
    name = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        report.add_file(name, None, f"cannot be read: {error.strerror or error}")
        return None
    return parse_yaml(content, name, report, environ, may_repeat)


def parse_yaml(
    content: bytes,
    name: str,
    report: Report,
    environ: Mapping[str, str],
    may_repeat: Callable[[TreePath], bool] = never,
    loader_class: Any = Loader,
) -> Document | None:
    """Read `content`, called `name` in messages; see `read_yaml`."""
    try:
        _check_bounds(content, loader_class)
        loader = loader_class(content)
        builder = TreeBuilder(loader, name, report, environ, may_repeat)
        return Document(name, builder.build(loader.get_single_node()))
    except Unusable as error:
        report.add_file(name, error.mark, error.reason)
    except yaml.YAMLError as error:
        mark, reason = _explain(error, content)
        report.add_file(name, mark, reason)
    return None


def _check_bounds(content: bytes, loader_class: Any) -> None:
    """Refuse what the loader itself would not survive: it calls itself for each level."""
    if len(content) > MAX_FILE_BYTES:
        raise Unusable(None, f"has {len(content)} bytes; at most {MAX_FILE_BYTES} are read")
    depth = 0
    for event in yaml.parse(content, Loader=loader_class):
        if isinstance(event, OPENINGS):
            depth += 1
            if depth > MAX_DEPTH:
                raise Unusable(_mark(event.start_mark), TOO_DEEP)
        elif isinstance(event, CLOSINGS):
            depth -= 1


def _explain(error: yaml.YAMLError, content: bytes) -> tuple[Mark | None, str]:
    """Return where and why the loader refuses a file, in one line."""
    if getattr(error, "problem", None) == NESTING:
        return _mark(getattr(error, "problem_mark", None)), TOO_DEEP
    mark, reason = _explain_syntax(error, content)
    return mark, f"not valid YAML: {reason}"


def _explain_syntax(error: yaml.YAMLError, content: bytes) -> tuple[Mark | None, str]:
    if not isinstance(error, yaml.MarkedYAMLError):
        position = getattr(error, "position", None)
        reason = getattr(error, "reason", None) or " ".join(str(error).split())
        return (_mark_of_offset(content, position) if position is not None else None), str(reason)
    mark = _mark(error.problem_mark or error.context_mark)
    if mark is not None and _begins_with_tab(content, mark):
        return mark, "a tab cannot indent; use spaces"
    if error.problem == SECOND_DOCUMENT:
        return mark, "a second document begins here; a file holds one"
    reason = str(error.problem or error.context)
    context_mark = _mark(error.context_mark)
    if error.problem and error.context and context_mark is not None and context_mark != mark:
        reason += f" ({error.context} that begins at {context_mark.line}:{context_mark.column})"
    if mark is not None and b"${" in _line(content, mark) and "flow" in str(error.context):
        reason += "; within { } and [ ], ${NAME} must stand in quotes"
    return mark, reason


def _begins_with_tab(content: bytes, mark: Mark) -> bool:
    return _line(content, mark)[mark.column - 1 :].startswith(b"\t")


def _line(content: bytes, mark: Mark) -> bytes:
    lines = content.splitlines()
    return lines[mark.line - 1] if mark.line <= len(lines) else b""


def _mark_of_offset(content: bytes, offset: int) -> Mark:
    before = content[:offset]
    return Mark(before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1)


def _mark(mark: Any) -> Mark | None:
    return None if mark is None else Mark(mark.line + 1, mark.column + 1)
