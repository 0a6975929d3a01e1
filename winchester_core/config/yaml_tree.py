"""From YAML's node graph to a tree of plain values with marks.

Anchors and `<<` merge keys work as in PyYAML. What PyYAML lets pass is a problem here: duplicate
keys, `<<` too (which of two wins depends on PyYAML's version), aliases that contain themselves,
and aliases that expand without bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from winchester_core.config.document import Mark, Node
from winchester_core.config.report import format_path
from winchester_core.config.substitution import (
    SubstitutionError,
    has_reference,
    retype,
    substitute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from winchester_core.config.document import Path
    from winchester_core.config.report import Report

MAX_VALUES = 100_000
"""How many values a file may hold once its aliases are expanded."""

KINDS = {"int": "whole number", "float": "number", "timestamp": "date or time"}

TAG = "tag:yaml.org,2002:"
MERGE_TAG, VALUE_TAG = f"{TAG}merge", f"{TAG}value"


class Unusable(Exception):  # noqa: N818 - not an error of this program
    """Nothing of a file can be used, for this reason."""

    def __init__(self, mark: Mark | None, reason: str) -> None:
        self.mark, self.reason = mark, reason
        super().__init__(reason)


class TreeBuilder:
    """Builds the tree of one file. An alias shares its anchor's tree, so building is linear.

    `may_repeat` tells of which keys a duplicate is only warned of; the last one counts.
    """

    def __init__(
        self,
        loader: Any,
        name: str,
        report: Report,
        environ: Mapping[str, str],
        may_repeat: Callable[[Path], bool],
    ) -> None:
        self._loader, self._name, self._report, self._environ = loader, name, report, environ
        self._may_repeat = may_repeat
        self._built: dict[int, Node] = {}
        self._in_hand: set[int] = set()

    def build(self, root: yaml.Node | None) -> Node:
        """Return the tree under `root`; None is an empty file. Raises `Unusable`."""
        return Node() if root is None else self._node(root, ())

    def _node(self, node: yaml.Node, path: Path) -> Node:
        key = id(node)
        if key in self._built:
            return self._built[key]
        if key in self._in_hand:
            raise Unusable(_mark(node), f"{format_path(path)}: an alias that contains itself")
        self._in_hand.add(key)
        built = self._build(node, path)
        if built.size > MAX_VALUES:
            raise Unusable(_mark(node), f"holds over {MAX_VALUES} values when aliases are expanded")
        self._in_hand.discard(key)
        self._built[key] = built
        return built

    def _build(self, node: yaml.Node, path: Path) -> Node:
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map", path)
            return self._mapping(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._check_tag(node, "seq", path)
        items = [self._node(item, (*path, i)) for i, item in enumerate(node.value)]
        return Node(mark=_mark(node), children=items, size=1 + sum(item.size for item in items))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Node:
        own: dict[Hashable, Node] = {}
        own_marks: dict[Hashable, Mark] = {}
        merged: dict[Hashable, Node] = {}
        merged_marks: dict[Hashable, Mark] = {}
        merge_mark: Mark | None = None
        for key_node, value_node in node.value:
            if key_node.tag == MERGE_TAG:
                if merge_mark is not None:
                    self._second_merge(merge_mark, key_node, path)
                merge_mark = _mark(key_node)
                self._merge(value_node, path, merged, merged_marks)
                continue
            key = self._key(key_node, path)
            if key in own:
                self._duplicate(key, own_marks[key], key_node, path)
            own[key] = self._node(value_node, (*path, key))
            own_marks[key] = _mark(key_node)
        children = merged | own
        size = 1 + sum(child.size for child in children.values())
        return Node(None, _mark(node), children, merged_marks | own_marks, size=size)

    def _merge(
        self,
        node: yaml.Node,
        path: Path,
        merged: dict[Hashable, Node],
        marks: dict[Hashable, Mark],
    ) -> None:
        """Take over the entries of what `<<` names; of a list, an earlier mapping wins."""
        listed = isinstance(node, yaml.SequenceNode)
        for source in reversed(node.value) if listed else [node]:
            if not isinstance(source, yaml.MappingNode):
                self._problem(source, (*path, "<<"), "expected a mapping, or a list of mappings")
                continue
            built = self._node(source, path)
            if isinstance(built.children, dict):
                merged.update(built.children)
                marks.update(built.key_marks)

    def _key(self, node: yaml.Node, path: Path) -> Hashable:
        if not isinstance(node, yaml.ScalarNode):
            raise Unusable(_mark(node), f"{format_path(path)}: a key must be a plain value")
        key: Hashable = self._construct(node, path)
        return key

    def _duplicate(self, key: Hashable, first: Mark, node: yaml.Node, path: Path) -> None:
        path = (*path, key)
        message = f"duplicate key, it stands on line {first.line} already"
        if self._may_repeat(path):
            self._report.warn_file(self._name, _mark(node), f"{message}; this one counts", path)
        else:
            self._problem(node, path, message)

    def _second_merge(self, first: Mark, node: yaml.Node, path: Path) -> None:
        message = f"duplicate key, it stands on line {first.line} already; merge several mappings "
        self._problem(node, (*path, "<<"), message + "by one key with a list of them")

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Node:
        value = self._construct(node, path)
        built = Node(value, _mark(node))
        if isinstance(value, str) and has_reference(value):
            try:
                built.scalar = substitute(value, self._environ)
            except SubstitutionError as error:
                self._problem(node, path, str(error))
                built.broken = True
            else:
                built.substituted = True
                built.retyped = retype(built.scalar)
        return built

    def _construct(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag == VALUE_TAG:
            return node.value
        try:
            return self._loader.construct_object(node)
        except yaml.constructor.ConstructorError:
            self._problem(node, path, f"the tag {_tag_name(node)} is not supported")
        except ValueError:
            kind = KINDS.get(node.tag.removeprefix(TAG), "value of its tag")
            self._problem(node, path, f"not a valid {kind}; put it in quotes if text is meant")
        return node.value

    def _check_tag(self, node: yaml.Node, kind: str, path: Path) -> None:
        if node.tag != TAG + kind:
            self._problem(node, path, f"the tag {_tag_name(node)} is not supported")

    def _problem(self, node: yaml.Node, path: Path, message: str) -> None:
        self._report.add_file(self._name, _mark(node), message, path)


def _tag_name(node: yaml.Node) -> str:
    tag = str(node.tag)
    return f"!!{tag.removeprefix(TAG)}" if tag.startswith(TAG) else tag


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)
