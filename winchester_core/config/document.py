"""Configuration document: a tree of values with their positions; substitution of `${NAME}`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

DocumentPath: TypeAlias = tuple["Hashable", ...]
"""The keys and indexes that lead from a document's root to a value."""


class Mark(NamedTuple):
    """A place in a file, both numbers counted from 1, as editors do."""

    line: int
    column: int


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it stands; `mark` is None for what came from no file.

    `children` holds the nodes of a mapping (by key) or of a list, None those of a scalar.
    `substituted` says that a variable put the text there: it stays text unless a schema refuses
    that and takes `retyped`, what YAML reads in it. `broken` has been reported already.
    `size` counts the values in the tree, aliases expanded.
    """

    scalar: Any = None
    mark: Mark | None = None
    children: dict[Hashable, Node] | list[Node] | None = None
    key_marks: dict[Hashable, Mark] = field(default_factory=dict)
    substituted: bool = False
    retyped: Any = None
    broken: bool = False
    size: int = 1

    def value(self, retyped: frozenset[DocumentPath] = frozenset(), path: DocumentPath = ()) -> Any:
        """Return the plain value, a new copy; scalars at the paths `retyped` as YAML reads them."""
        if isinstance(self.children, dict):
            return {key: node.value(retyped, (*path, key)) for key, node in self.children.items()}
        if isinstance(self.children, list):
            return [node.value(retyped, (*path, i)) for i, node in enumerate(self.children)]
        return self.retyped if self.substituted and path in retyped else self.scalar

    def child(self, key: Hashable) -> Node | None:
        """The node under a key or index, or None."""
        if isinstance(self.children, dict):
            return self.children.get(key)
        if isinstance(self.children, list) and isinstance(key, int):
            return self.children[key] if 0 <= key < len(self.children) else None
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A tree, the name of what it was read from, and the path of its root within that."""

    name: str
    root: Node
    base: DocumentPath = ()

    def section(self, *path: Hashable) -> Document:
        """The part under `path`, which must exist, as a document of its own."""
        return Document(self.name, self._walk(path)[-1], self.base + path)

    def mapping(self, key: Hashable) -> Document:
        """The part under `key`; an empty mapping when there is nothing."""
        node = self.root.child(key)
        if node is None or (node.children is None and node.scalar is None):
            node = Node(mark=self.root.mark if node is None else node.mark, children={})
        return Document(self.name, node, (*self.base, key))

    def value(self, retyped: Iterable[DocumentPath] = ()) -> Any:
        """The plain value of the whole; see `Node.value`."""
        return self.root.value(frozenset(retyped))

    def node(self, path: DocumentPath) -> Node | None:
        """The node at exactly `path`, or None."""
        nodes = self._walk(path)
        return nodes[-1] if len(nodes) == len(path) + 1 else None

    def mark(self, path: DocumentPath, *, at_key: bool = False) -> Mark | None:
        """Where `path` stands, or the nearest of what holds it; `at_key`: its key's place."""
        nodes = self._walk(path)
        if at_key and len(nodes) >= len(path) > 0:
            mark = nodes[len(path) - 1].key_marks.get(path[-1])
            if mark is not None:
                return mark
        return nodes[-1].mark

    def is_broken(self, path: DocumentPath) -> bool:
        """Tell whether something on the way to `path`, or there, has been reported already."""
        return any(node.broken for node in self._walk(path))

    def substituted(self, paths: Iterable[DocumentPath]) -> frozenset[DocumentPath]:
        """Those of `paths` where a variable put text that YAML would read as something else."""
        return frozenset(path for path in paths if _is_retypable(self.node(path)))

    def _walk(self, path: DocumentPath) -> list[Node]:
        return list(_steps(self.root, path))


def _steps(node: Node | None, path: DocumentPath) -> Iterator[Node]:
    for key in (*path, None):
        if node is None:
            return
        yield node
        node = node.child(key)


def _is_retypable(node: Node | None) -> bool:
    return node is not None and node.substituted and not isinstance(node.retyped, str)


# Environment variables in scalars: `${NAME}` and `${NAME:-default}`.
#
# They are replaced after the file has been parsed, so that a value cannot add structure. `$${`
# stands for a literal `${`. `$name` without braces is left alone: time expressions use it.

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
    """A reference that names no variable, or one that is not set."""


def has_reference(text: str) -> bool:
    """Tell whether there is anything in `text` to replace."""
    return "${" in text


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with its references replaced; the values are not looked at again.

    As in a shell, the default serves when the variable is unset or empty. Raises
    `SubstitutionError`.
    """
    return REFERENCE.sub(lambda match: _replacement(match, environ), text)


def retype(text: str) -> Any:
    """Return what YAML reads in an unquoted `text`: a number, a truth value, null, or the text."""
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
            f"{match['malformed']!r} names no environment variable: expected ${{NAME}} or "
            "${NAME:-default}, and $${ for a literal ${"
        )
    name, default = match["name"], match["default"]
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise SubstitutionError(
            f"the environment variable {name} is not set: set it, or give a default as in "
            f"${{{name}:-default}}"
        )
    return value
