"""``winchester plugin new``: create the package of a new plugin from a template."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from itertools import chain
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from winchester_core.cli.command import DocumentedCommand
from winchester_core.cli.commands.init import create_files
from winchester_core.cli.options import Argument
from winchester_core.criteria.compiler import COMBINATORS
from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import WinchesterError
from winchester_core.plugins import (
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    group_noun,
    installed_plugins,
)
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

TEMPLATES: Final = "winchester_core.cli.plugin_templates"
KINDS: Final = {
    "handler": HANDLERS,
    "condition": CONDITIONS,
    "source": EVENT_SOURCES,
    "trait": TRAIT_PLUGINS,
}
"""Mapping from kind, which is also the template's directory, to entry-point group."""

COMMON: Final = "package"
"""Directory of the files that all kinds share."""

CLASS_SUFFIXES: Final = {"trait": "TraitPlugin"}
"""End of the class's name, if it is not the name of the kind."""

NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME_LENGTH: Final = 28
"""Longer names would make lines of the templates too long."""


class PluginNew(DocumentedCommand):
    """Create a package with a new plugin.

    KIND is handler, condition, source or trait. NAME is the plugin's name in YAML files; it may
    contain lower-case letters, digits and underscores. The package works unchanged: it can be
    installed, and its tests include the conformance suite of its kind. The directory must not exist
    yet, so nothing is overwritten.
    """

    examples = (
        "winchester plugin new handler door_report",
        "winchester plugin new condition weekday --dir plugins/weekday",
    )
    arguments = (
        Argument("kind KIND", "one of %(choices)s", choices=list(KINDS)),
        Argument("name NAME", "the plugin's name"),
        Argument(
            "--dir DIR",
            "directory to create, with its parents (default: winchester-NAME, with dashes)",
        ),
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Write the files and print the next commands. Raises `WinchesterError`, `OSError`."""
        kind, name = parsed_args.kind, parsed_args.name
        check_name(name, KINDS[kind])
        directory = Path(parsed_args.dir or f"winchester-{name.replace('_', '-')}")
        contents = package_files(kind, name)
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            raise WinchesterError(
                f"{directory} already exists, and nothing is overwritten: "
                "choose another directory with --dir, or move the existing one"
            ) from None
        create_files(directory, {str(path): text for path, text in contents.items()})
        print(
            "The next commands install it, run its tests, and show the installed plugin:",
            "",
            f"cd {shlex.quote(str(directory))}",
            "pip install -e '.[test]'",
            "pytest",
            f"winchester plugin show {name}",
            sep="\n",
        )
        return DONE


def check_name(name: str, group: str) -> None:
    """Raise `UsageError` if a new plugin of `group` cannot have this name."""
    if not NAME.fullmatch(name):
        similar = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        hint = f"; did you mean {similar!r}?" if NAME.fullmatch(similar) else ""
        raise UsageError(
            f"{name!r} is not a valid plugin name: expected lower-case letters, digits and single "
            f"underscores, beginning with a letter{hint}"
        )
    if len(name) > MAX_NAME_LENGTH:
        raise UsageError(f"{name!r} has {len(name)} characters; at most {MAX_NAME_LENGTH} allowed")
    if group == CONDITIONS and name in COMBINATORS:
        raise UsageError(f"a condition cannot be named {name!r}: it is a keyword of criteria")
    if name in installed_plugins(group):
        origin = installed_plugins(group)[name].origin
        raise UsageError(
            f"the name {name!r} is taken by the {group_noun(group)} of {origin}; a name that two "
            "distributions register cannot be used"
        )
    package = f"winchester_{name}"
    if find_spec(package) is not None:
        raise UsageError(f"a package {package} is already installed: choose another name")


def package_files(kind: str, name: str) -> dict[PurePath, str]:
    """Return the files of a package by their path in it, sorted."""
    variables = template_variables(kind, name)
    templates = chain.from_iterable(
        _files(files(TEMPLATES).joinpath(folder), PurePath()) for folder in (kind, COMMON)
    )
    return {
        PurePath(_substitute(str(path), variables)): _substitute(text, variables)
        for path, text in sorted(templates)
    }


def template_variables(kind: str, name: str) -> Mapping[str, str]:
    """Return the placeholders of a template with their values."""
    core_version = version(DISTRIBUTION)
    noun = group_noun(KINDS[kind])
    class_name = "".join(part.capitalize() for part in name.split("_"))
    return {
        "plugin_name": name,
        "plugin-name": name.replace("_", "-"),
        "plugin_kind": kind,
        "plugin_group": KINDS[kind],
        "plugin_noun": f"{'An' if noun[0] in 'aeiou' else 'A'} {noun}",
        "PluginName": class_name,
        "PluginClass": f"{class_name}{CLASS_SUFFIXES.get(kind, kind.capitalize())}",
        "00000000-0000-4000-8000-000000000000": str(uuid4()),
        "core_version": core_version,
        "core_next_major": str(int(core_version.partition(".")[0]) + 1),
    }


def _substitute(text: str, variables: Mapping[str, str]) -> str:
    pattern = "|".join(map(re.escape, variables))
    return re.sub(pattern, lambda match: variables[match[0]], text)


def _files(folder: Traversable, path: PurePath) -> Iterator[tuple[PurePath, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_file():
            yield path / entry.name, entry.read_text(encoding="utf-8")
        elif entry.name != "__pycache__":
            yield from _files(entry, path / entry.name)
