"""Programs and commands of `winchester`, from their parsers."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from cliff.lister import Lister
from cliff.show import ShowOne

from generated_reference.distribution import DISTRIBUTION, own_plugins
from generated_reference.markdown import code, docstring
from generated_reference.parsers import (
    render_description,
    render_epilog,
    render_options,
    render_usage,
)
from winchester_core.cli.app import WinchesterApp
from winchester_core.cli.commands import database, worker
from winchester_core.plugins import COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

MAIN = "winchester_core.cli.main:main"
PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "winchester_core.cli.commands.worker:main": worker.build_parser,
    "winchester_core.cli.commands.database:main": database.build_parser,
}
"""Entry point of a console script to its parser."""


def render() -> str:
    """Render every program and command, in alphabetical order within a program."""
    return "\n\n".join([*_winchester(), *_other_programs()])


def programs() -> dict[str, list[str]]:
    """Return the names of the installed console scripts by entry point.

    The program's own name, `prog`, comes first; its aliases follow in alphabetical order.
    """
    names: dict[str, list[str]] = {}
    for script in entry_points(group="console_scripts"):
        if script.dist is not None and script.dist.name == DISTRIBUTION:
            names.setdefault(script.value, []).append(script.name)
    return {value: sorted(each, key=_is_alias(value)) for value, each in sorted(names.items())}


def command_parsers() -> Iterator[tuple[str, Any, argparse.ArgumentParser]]:
    """Yield name, class and parser of each command of `winchester`."""
    app = WinchesterApp()
    for name, plugin in own_plugins(COMMANDS).items():
        factory = plugin.load()
        command = factory(app, app.options, cmd_name=name)
        yield name, factory, command.get_parser(f"winchester {name}")


def _winchester() -> Iterator[str]:
    if MAIN not in programs():
        raise LookupError(f"no console script calls {MAIN}: is the project installed?")
    for name, factory, parser in command_parsers():
        yield f"### winchester {name}"
        yield render_usage(f"winchester {name}", parser)
        yield render_description(docstring(factory))
        yield from filter(None, [_output(factory), render_options(parser)])
        yield render_epilog(parser.epilog)


def _output(factory: type) -> str:
    if issubclass(factory, Lister):
        return "Prints a list, in any of the [formats](#formats)."
    if issubclass(factory, ShowOne):
        return "Prints one record, in any of the [formats](#formats)."
    return ""


def _other_programs() -> Iterator[str]:
    for value, names in programs().items():
        if value == MAIN:
            continue
        parser = PARSERS[value]()
        yield f"## {names[0]}"
        for alias in names[1:]:
            yield f"Also installed as {code(alias)}."
        yield render_usage(names[0], parser)
        yield render_description(parser.description or "")
        yield render_options(parser)
        yield render_epilog(parser.epilog)


def _is_alias(value: str) -> Callable[[str], tuple[bool, str]]:
    prog = PARSERS[value]().prog if value in PARSERS else "winchester"
    return lambda name: (name != prog, name)
