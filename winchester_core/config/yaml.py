"""Reading of YAML files and Python mappings into documents with positions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from winchester_core.config.document import Document, Mark, Node, collection_node, scalar_node
from winchester_core.config.errors import format_path
from winchester_core.config.misreadings import misreading_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from winchester_core.config.document import DocumentPath, Misreading
    from winchester_core.config.errors import ProblemReport

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 100

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader if PyYAML was built with it; otherwise the slower one in Python."""

SECOND_DOCUMENT = "but found another document"
LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"
"""Error of libyaml 0.2.6 and later. Its scanner reads ahead, so it may reach its limit first."""

TOO_DEEP = f"is nested over {MAX_DEPTH} levels deep"
COLLECTION_STARTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
COLLECTION_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def no_duplicates(_path: DocumentPath) -> bool:
    """Allow no duplicate keys."""
    return False


def read_yaml(
    path: Path,
    report: ProblemReport,
    environ: Mapping[str, str],
    allows_duplicate: Callable[[DocumentPath], bool] = no_duplicates,
) -> Document | None:
    """Read the file at `path`. An empty file has the value None.

    Problems are added to `report`. Returns None if the file cannot be parsed. If only parts of the
    document have problems, it is returned, so that the rest can be validated. A duplicate key is a
    problem, or only a warning if `allows_duplicate` returns true for its path.
    """
    name = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        report.add_file_problem(name, None, f"cannot be read: {error.strerror or error}")
        return None
    return parse_yaml(content, name, report, environ, allows_duplicate)


def parse_yaml(
    content: bytes,
    name: str,
    report: ProblemReport,
    environ: Mapping[str, str],
    allows_duplicate: Callable[[DocumentPath], bool] = no_duplicates,
    loader_class: Any = Loader,
) -> Document | None:
    """Parse `content`, called `name` in messages; see `read_yaml`."""
    try:
        _check_bounds(content, loader_class)
        loader = loader_class(content)
        builder = YamlTreeBuilder(loader, name, report, environ, allows_duplicate)
        root = builder.build(loader.get_single_node())
        return Document(name, root, misreadings=builder.misreadings)
    except UnreadableDocument as error:
        report.add_file_problem(name, error.mark, error.reason)
    except yaml.YAMLError as error:
        mark, reason = _error_position_and_reason(error, content)
        report.add_file_problem(name, mark, reason)
    return None


def _check_bounds(content: bytes, loader_class: Any) -> None:
    """Raise `UnreadableDocument` for a size or depth that the recursive loader cannot handle."""
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableDocument(None, f"has {len(content)} bytes; the maximum is {MAX_FILE_BYTES}")
    depth = 0
    for event in yaml.parse(content, Loader=loader_class):
        if isinstance(event, COLLECTION_STARTS):
            depth += 1
            if depth > MAX_DEPTH:
                raise UnreadableDocument(_to_mark(event.start_mark), TOO_DEEP)
        elif isinstance(event, COLLECTION_ENDS):
            depth -= 1


def _error_position_and_reason(error: yaml.YAMLError, content: bytes) -> tuple[Mark | None, str]:
    """Return the position and the reason, on one line, of a loader's error."""
    if getattr(error, "problem", None) == LIBYAML_TOO_DEEP:
        return _to_mark(getattr(error, "problem_mark", None)), TOO_DEEP
    mark, reason = _syntax_error(error, content)
    return mark, f"not valid YAML: {reason}"


def _syntax_error(error: yaml.YAMLError, content: bytes) -> tuple[Mark | None, str]:
    if not isinstance(error, yaml.MarkedYAMLError):
        position = getattr(error, "position", None)
        reason = getattr(error, "reason", None) or " ".join(str(error).split())
        return (_mark_of_offset(content, position) if position is not None else None), str(reason)
    mark = _to_mark(error.problem_mark or error.context_mark)
    if mark is not None and _begins_with_tab(content, mark):
        return mark, "a tab cannot indent; use spaces"
    if error.problem == SECOND_DOCUMENT:
        return mark, "a second document begins here; a file must contain one"
    reason = str(error.problem or error.context)
    context_mark = _to_mark(error.context_mark)
    if error.problem and error.context and context_mark is not None and context_mark != mark:
        reason += f" ({error.context} that begins at {context_mark.line}:{context_mark.column})"
    if mark is not None and b"${" in _line(content, mark) and "flow" in str(error.context):
        reason += "; within { } and [ ], ${NAME} must be quoted"
    return mark, reason


def _begins_with_tab(content: bytes, mark: Mark) -> bool:
    return _line(content, mark)[mark.column - 1 :].startswith(b"\t")


def _line(content: bytes, mark: Mark) -> bytes:
    lines = content.splitlines()
    return lines[mark.line - 1] if mark.line <= len(lines) else b""


def _mark_of_offset(content: bytes, offset: int) -> Mark:
    before = content[:offset]
    return Mark(before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1)


def _to_mark(mark: Any) -> Mark | None:
    return None if mark is None else Mark(mark.line + 1, mark.column + 1)


# Conversion of YAML's node graph to a tree of plain values with marks.
#
# Anchors and `<<` merge keys work as in PyYAML. Unlike in PyYAML, these are problems: duplicate
# keys, including two `<<` (their precedence depends on PyYAML's version), tags of a different kind
# of value, aliases that contain themselves, and unbounded expansion or nesting of aliases.

MAX_VALUES = 100_000
"""Maximum number of values in a file with its aliases and merge keys expanded."""

TOO_MANY_VALUES = f"has over {MAX_VALUES} values when aliases and merge keys are expanded"

TAG = "tag:yaml.org,2002:"
MERGE_TAG, VALUE_TAG, NULL_TAG = f"{TAG}merge", f"{TAG}value", f"{TAG}null"
NULLS = ("", "~", "null", "Null", "NULL")
SCALAR_TYPES = {
    f"{TAG}str": "text",
    NULL_TAG: "null",
    f"{TAG}bool": "boolean",
    f"{TAG}int": "whole number",
    f"{TAG}float": "number",
    f"{TAG}timestamp": "date or time",
    VALUE_TAG: "text",
}
COLLECTION_TAGS = {f"{TAG}map": yaml.MappingNode, f"{TAG}seq": yaml.SequenceNode}
NODE_KINDS = {
    yaml.MappingNode: "mapping",
    yaml.SequenceNode: "list",
    yaml.ScalarNode: "plain value",
}


class UnreadableDocument(Exception):  # noqa: N818 - not an error of this program
    """The whole file cannot be used, for `reason`."""

    def __init__(self, mark: Mark | None, reason: str) -> None:
        self.mark, self.reason = mark, reason
        super().__init__(reason)


class YamlTreeBuilder:
    """Builds the tree of one file in linear time. An alias shares the tree of its anchor.

    `allows_duplicate` selects the duplicate keys that are only warnings; the last one counts.
    """

    def __init__(
        self,
        loader: Any,
        name: str,
        report: ProblemReport,
        environ: Mapping[str, str],
        allows_duplicate: Callable[[DocumentPath], bool],
    ) -> None:
        self._loader, self._name, self._report, self._environ = loader, name, report, environ
        self._allows_duplicate = allows_duplicate
        self._built: dict[int, Node] = {}
        self._constructed: dict[int, Any] = {}
        self._invalid: set[int] = set()
        self.misreadings: dict[Mark, Misreading] = {}
        self._in_progress: set[int] = set()
        self._merged = 0

    def build(self, root: yaml.Node | None) -> Node:
        """Return the tree of `root` (None: empty file). Raises `UnreadableDocument`."""
        return Node() if root is None else self._node(root, ())

    def _node(self, node: yaml.Node, path: DocumentPath) -> Node:
        key = id(node)
        if key in self._built:
            return self._built[key]
        if key in self._in_progress:
            raise UnreadableDocument(
                _node_mark(node), f"{format_path(path)}: an alias that contains itself"
            )
        self._in_progress.add(key)
        built = self._build(node, path)
        if built.size > MAX_VALUES:
            raise UnreadableDocument(_node_mark(node), TOO_MANY_VALUES)
        if built.depth > MAX_DEPTH:
            raise UnreadableDocument(_node_mark(node), TOO_DEEP)
        self._in_progress.discard(key)
        self._built[key] = built
        return built

    def _build(self, node: yaml.Node, path: DocumentPath) -> Node:
        if isinstance(node, yaml.ScalarNode):
            value = self._construct(node, path)
            if id(node) in self._invalid:
                return Node(value, _node_mark(node), broken=True)
            return scalar_node(
                value, _node_mark(node), self._environ, partial(self._problem, node, path)
            )
        if not isinstance(node, COLLECTION_TAGS.get(node.tag, ())):
            self._problem(node, path, _unsupported_tag(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        items = [self._node(item, (*path, i)) for i, item in enumerate(node.value)]
        return collection_node(items, _node_mark(node))

    def _mapping(self, node: yaml.MappingNode, path: DocumentPath) -> Node:
        own: dict[Hashable, Node] = {}
        own_marks: dict[Hashable, Mark] = {}
        merged: dict[Hashable, Node] = {}
        merged_marks: dict[Hashable, Mark] = {}
        merge_mark: Mark | None = None
        for key_node, value_node in node.value:
            if key_node.tag == MERGE_TAG:
                if merge_mark is not None:
                    self._duplicate_merge(merge_mark, key_node, path)
                merge_mark = _node_mark(key_node)
                self._merge(value_node, merge_mark, path, merged, merged_marks)
                continue
            key = self._key(key_node, path)
            if key in own:
                self._duplicate(key, own_marks[key], key_node, path)
            own[key] = self._node(value_node, (*path, key))
            own_marks[key] = _node_mark(key_node)
        return collection_node(merged | own, _node_mark(node), merged_marks | own_marks)

    def _merge(
        self,
        node: yaml.Node,
        key_mark: Mark,
        path: DocumentPath,
        merged: dict[Hashable, Node],
        marks: dict[Hashable, Mark],
    ) -> None:
        """Merge the entries of the mappings under `<<`; in a list, an earlier mapping wins.

        The mappings are built in document order, so anchors are built before their aliases, and the
        recursion is not deeper than the nesting of the file.
        """
        sources: list[Node] = []
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode):
                sources.append(self._node(source, path))
            else:
                self._problem(source, (*path, "<<"), "expected a mapping, or a list of mappings")
        for built in reversed(sources):
            if isinstance(built.children, dict):
                self._merged += len(built.children)
                if self._merged > MAX_VALUES:
                    raise UnreadableDocument(key_mark, TOO_MANY_VALUES)
                merged.update(built.children)
                marks.update(built.key_marks)

    def _key(self, node: yaml.Node, path: DocumentPath) -> Hashable:
        if not isinstance(node, yaml.ScalarNode):
            place = f"{format_path(path)}: " if path else ""
            raise UnreadableDocument(_node_mark(node), f"{place}a key must be a plain value")
        key: Hashable = self._construct(node, path)
        return key

    def _duplicate(self, key: Hashable, first: Mark, node: yaml.Node, path: DocumentPath) -> None:
        path = (*path, key)
        message = f"duplicate key, first on line {first.line}"
        if self._allows_duplicate(path):
            self._report.add_file_warning(
                self._name, _node_mark(node), f"{message}; this one counts", path
            )
        else:
            self._problem(node, path, message)

    def _duplicate_merge(self, first: Mark, node: yaml.Node, path: DocumentPath) -> None:
        message = f"duplicate key, first on line {first.line}; merge several mappings "
        self._problem(node, (*path, "<<"), message + "with one key and a list of them")

    def _construct(self, node: yaml.ScalarNode, path: DocumentPath) -> Any:
        """Return the value of a scalar, or its text if it is invalid. Used for keys and values."""
        key = id(node)
        if key not in self._constructed:
            try:
                self._constructed[key] = self._value(node)
            except ValueError as error:
                self._problem(node, path, str(error))
                self._constructed[key] = node.value
                self._invalid.add(key)
        return self._constructed[key]

    def _value(self, node: yaml.ScalarNode) -> Any:
        """Return the value of a scalar. Raises `ValueError` with the problem.

        If a scalar has the tag of a collection, PyYAML's constructors would return an empty
        collection.
        """
        if node.tag == MERGE_TAG:
            raise ValueError(
                "'<<' is the key that merges mappings; put it in quotes if text is meant"
            )
        if node.tag not in SCALAR_TYPES:
            raise ValueError(_unsupported_tag(node))
        if node.tag == VALUE_TAG:
            return node.value
        try:
            if node.tag == NULL_TAG and node.value not in NULLS:
                raise ValueError("the constructor accepts any text")
            value = self._loader.construct_object(node)
            str(value)  # raises an error if a number has more digits than Python can print
        except Exception:  # noqa: BLE001 - the library's constructors raise various exceptions
            message = f"not a valid {SCALAR_TYPES[node.tag]}; put it in quotes if text is meant"
            raise ValueError(message) from None
        misreading = None if node.style else misreading_of(node.value, value)
        if misreading is not None:
            self.misreadings[_node_mark(node)] = misreading
        return value

    def _problem(self, node: yaml.Node, path: DocumentPath, message: str) -> None:
        self._report.add_file_problem(self._name, _node_mark(node), message, path)


def _unsupported_tag(node: yaml.Node) -> str:
    tag = str(node.tag)
    name = f"!!{tag.removeprefix(TAG)}" if tag.startswith(TAG) else tag
    is_known = tag in SCALAR_TYPES or tag in COLLECTION_TAGS
    return f"the tag {name} is not supported" + (
        f" for a {NODE_KINDS[type(node)]}" if is_known else ""
    )


def _node_mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


MAPPING_NAME = "<dict>"


def read_mapping(
    source: Any, report: ProblemReport, environ: Mapping[str, str], name: str = MAPPING_NAME
) -> Document | None:
    """Convert plain Python data to a document. `${NAME}` in its text is replaced as in a file.

    If the data contains itself or is too large, adds a problem to `report` and returns None.
    """
    try:
        return Document(name, _MappingTreeBuilder(report, environ, name).node(source, ()))
    except UnreadableDocument as error:
        report.add_file_problem(name, error.mark, error.reason)
        return None


class _MappingTreeBuilder:
    def __init__(self, report: ProblemReport, environ: Mapping[str, str], name: str) -> None:
        self._report, self._environ, self._name = report, environ, name
        self._values = 0

    def node(self, value: Any, path: DocumentPath) -> Node:
        self._values += 1
        if self._values > MAX_VALUES:
            raise UnreadableDocument(None, f"has over {MAX_VALUES} values")
        if len(path) > MAX_DEPTH:
            raise UnreadableDocument(None, TOO_DEEP)
        if isinstance(value, Mapping):
            return Node(
                children={key: self.node(item, (*path, key)) for key, item in value.items()}
            )
        if isinstance(value, list | tuple):
            return Node(children=[self.node(item, (*path, i)) for i, item in enumerate(value)])
        return scalar_node(value, None, self._environ, partial(self._problem, path))

    def _problem(self, path: DocumentPath, message: str) -> None:
        self._report.add_file_problem(self._name, None, message, path)
