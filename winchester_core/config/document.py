"""Configuration document: a tree of values with their positions; substitution of `${NAME}`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

DocumentPath: TypeAlias = tuple["Hashable", ...]
"""Keys and indexes from a document's root to a value."""


class Mark(NamedTuple):
    """A position in a file; both numbers start at 1, as in editors."""

    line: int
    column: int


class Misreading(NamedTuple):
    """A warning about a plain value that YAML reads as an unexpected type.

    `kind` is boolean, number, base (a number in base 8 or 60), time, or text.
    """

    kind: str
    message: str


@dataclass(slots=True, eq=False)
class Node:
    """A value with its position; `mark` is None for a value that is not from a file.

    `children` are the nodes of a mapping (by key) or of a list; None for a scalar. `substituted`
    marks text from an environment variable. It stays text, unless a schema rejects text and accepts
    the value that YAML would read (see `retype`). `template` is its text before the substitution. A
    `broken` node has been reported already. `size` is the number of values in the tree, with
    aliases expanded, and `depth` the nesting depth.
    """

    scalar: Any = None
    mark: Mark | None = None
    children: dict[Hashable, Node] | list[Node] | None = None
    key_marks: dict[Hashable, Mark] = field(default_factory=dict)
    substituted: bool = False
    retyped: Any = None
    template: str | None = None
    broken: bool = False
    size: int = 1
    depth: int = 0

    def value(self, retyped: frozenset[DocumentPath] = frozenset(), path: DocumentPath = ()) -> Any:
        """Return a copy of the plain value; scalars at paths in `retyped` are parsed as YAML."""
        if isinstance(self.children, dict):
            return {key: node.value(retyped, (*path, key)) for key, node in self.children.items()}
        if isinstance(self.children, list):
            return [node.value(retyped, (*path, i)) for i, node in enumerate(self.children)]
        return self.retyped if self.substituted and path in retyped else self.scalar

    def written_value(self) -> Any:
        """Return a copy of the plain value before the substitution of variables."""
        if isinstance(self.children, dict):
            return {key: node.written_value() for key, node in self.children.items()}
        if isinstance(self.children, list):
            return [node.written_value() for node in self.children]
        return self.scalar if self.template is None else self.template

    def child(self, key: Hashable) -> Node | None:
        """Return the node under a key or index, or None."""
        if isinstance(self.children, dict):
            return self.children.get(key)
        if isinstance(self.children, list) and isinstance(key, int):
            return self.children[key] if 0 <= key < len(self.children) else None
        return None


def collection_node(
    children: dict[Hashable, Node] | list[Node],
    mark: Mark,
    key_marks: dict[Hashable, Mark] | None = None,
) -> Node:
    """Return the node of a mapping or a list, with its size and depth."""
    nodes = children.values() if isinstance(children, dict) else children
    return Node(
        mark=mark,
        children=children,
        key_marks=key_marks or {},
        size=1 + sum(node.size for node in nodes),
        depth=1 + max((node.depth for node in nodes), default=0),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A tree of nodes, the name of its source, and the path of its root in the source.

    `misreadings` contains warnings about its values by position; see `misreadings.py`.
    """

    name: str
    root: Node
    base: DocumentPath = ()
    misreadings: Mapping[Mark, Misreading] = field(default_factory=dict)

    def section(self, *path: Hashable) -> Document:
        """Return the part under `path` as a document. The path must exist."""
        return replace(self, root=self._walk(path)[-1], base=self.base + path)

    def mapping(self, key: Hashable) -> Document:
        """Return the part under `key` as a document; an empty mapping if it is absent."""
        node = self.root.child(key)
        if node is None or (node.children is None and node.scalar is None):
            node = Node(mark=self.root.mark if node is None else node.mark, children={})
        return replace(self, root=node, base=(*self.base, key))

    def value(self, retyped: Iterable[DocumentPath] = ()) -> Any:
        """Return the plain value of the root; see `Node.value`."""
        return self.root.value(frozenset(retyped))

    def node(self, path: DocumentPath) -> Node | None:
        """Return the node at exactly `path`, or None."""
        nodes = self._walk(path)
        return nodes[-1] if len(nodes) == len(path) + 1 else None

    def mark(self, path: DocumentPath, *, at_key: bool = False) -> Mark | None:
        """Return the position of `path` or its nearest parent; if `at_key`, the key's position."""
        nodes = self._walk(path)
        if at_key and len(nodes) >= len(path) > 0:
            mark = nodes[len(path) - 1].key_marks.get(path[-1])
            if mark is not None:
                return mark
        return nodes[-1].mark

    def is_broken(self, path: DocumentPath) -> bool:
        """Return whether the node at `path` or a parent has been reported already."""
        return any(node.broken for node in self._walk(path))

    def substituted(self, paths: Iterable[DocumentPath]) -> frozenset[DocumentPath]:
        """Return the `paths` whose text is from a variable and is read by YAML as another type."""
        return frozenset(path for path in paths if _is_retypable(self.node(path)))

    def _walk(self, path: DocumentPath) -> list[Node]:
        nodes = [self.root]
        for key in path:
            node = nodes[-1].child(key)
            if node is None:
                break
            nodes.append(node)
        return nodes


def _is_retypable(node: Node | None) -> bool:
    return node is not None and node.substituted and not isinstance(node.retyped, str)


# Environment variables in scalars: `${NAME}` and `${NAME:-default}`.
#
# They are replaced after the file has been parsed, so a value cannot add keys or list items. `$${`
# is a literal `${`. `$name` without braces is not replaced: time expressions use it.

REFERENCE = re.compile(
    r"""
    (?P<escaped> \$\$\{ )
    | \$\{ (?P<name> [A-Za-z_][A-Za-z0-9_]* ) (?: :- (?P<default> [^}]* ) )? \}
    | (?P<malformed> \$\{ [^}]* \}? )
    """,
    re.VERBOSE,
)
RETYPED_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null"))


class SubstitutionError(ValueError):
    """A malformed reference, or one to a variable that is not set."""


def scalar_node(
    value: Any,
    mark: Mark | None,
    environ: Mapping[str, str],
    add_problem: Callable[[str], None],
) -> Node:
    """Return the node of a scalar, with references in its text replaced."""
    if not isinstance(value, str) or "${" not in value:
        return Node(value, mark)
    try:
        text = substitute(value, environ)
    except SubstitutionError as error:
        add_problem(str(error))
        return Node(value, mark, broken=True)
    return Node(text, mark, substituted=True, retyped=retype(text), template=value)


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with its references replaced. References in the values are not replaced.

    As in a shell, the default is used if the variable is unset or empty. Raises
    `SubstitutionError`.
    """
    return REFERENCE.sub(lambda match: _replacement(match, environ), text)


def retype(text: str) -> Any:
    """Return the YAML value of an unquoted `text`: a number, a boolean, null, or the text."""
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag not in RETYPED_TAGS:
        return text
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except ValueError:
        return text


def _replacement(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "${"
    if match["malformed"]:
        raise SubstitutionError(
            f"{match['malformed']!r} is not an environment variable: expected ${{NAME}} or "
            "${NAME:-default}, and $${ for a literal ${"
        )
    name, default = match["name"], match["default"]
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise SubstitutionError(
            f"the environment variable {name} is not set: set it, or give a default, as in "
            f"${{{name}:-default}}"
        )
    return value
