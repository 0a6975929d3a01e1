"""A configuration document as a tree that remembers where each key and value stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

Path: TypeAlias = tuple["Hashable", ...]
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

    def value(self, retyped: frozenset[Path] = frozenset(), path: Path = ()) -> Any:
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
    base: Path = ()

    def section(self, *path: Hashable) -> Document:
        """The part under `path`, which must exist, as a document of its own."""
        return Document(self.name, self._walk(path)[-1], self.base + path)

    def mapping(self, key: Hashable) -> Document:
        """The part under `key`; an empty mapping when there is nothing."""
        node = self.root.child(key)
        if node is None or (node.children is None and node.scalar is None):
            node = Node(mark=self.root.mark if node is None else node.mark, children={})
        return Document(self.name, node, (*self.base, key))

    def value(self, retyped: Iterable[Path] = ()) -> Any:
        """The plain value of the whole; see `Node.value`."""
        return self.root.value(frozenset(retyped))

    def node(self, path: Path) -> Node | None:
        """The node at exactly `path`, or None."""
        nodes = self._walk(path)
        return nodes[-1] if len(nodes) == len(path) + 1 else None

    def mark(self, path: Path, *, at_key: bool = False) -> Mark | None:
        """Where `path` stands, or the nearest of what holds it; `at_key`: its key's place."""
        nodes = self._walk(path)
        if at_key and len(nodes) >= len(path) > 0:
            mark = nodes[len(path) - 1].key_marks.get(path[-1])
            if mark is not None:
                return mark
        return nodes[-1].mark

    def is_broken(self, path: Path) -> bool:
        """Tell whether something on the way to `path`, or there, has been reported already."""
        return any(node.broken for node in self._walk(path))

    def substituted(self, paths: Iterable[Path]) -> frozenset[Path]:
        """Those of `paths` where a variable put text that YAML would read as something else."""
        return frozenset(path for path in paths if _is_retypable(self.node(path)))

    def _walk(self, path: Path) -> list[Node]:
        return list(_steps(self.root, path))


def _steps(node: Node | None, path: Path) -> Iterator[Node]:
    for key in (*path, None):
        if node is None:
            return
        yield node
        node = node.child(key)


def _is_retypable(node: Node | None) -> bool:
    return node is not None and node.substituted and not isinstance(node.retyped, str)
