"""What the commands of ``winchester`` have in common, and how they are found."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any, cast

from cliff.command import Command
from cliff.commandmanager import CommandManager

from winchester_core.cli.options import add_config_option, add_debug_option
from winchester_core.plugins import COMMANDS, installed_plugins

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cliff.app import App


class CommandRegistry(CommandManager):
    """The commands that are installed, each imported when it is asked for.

    One that cannot be loaded, or whose name is taken twice, raises `PluginError` then.
    """

    def load_commands(self, namespace: str) -> None:
        """Add the entry points of `namespace`."""
        self.group_list.append(namespace)
        self.commands.update(cast("Any", installed_plugins(namespace)))


def instantiate(factory: Any, app: App, name: str, options: Namespace | None) -> Command:
    """Make the command `name`, whose class need not take its name, as cliff's need not either."""
    takes_name = "cmd_name" in inspect.getfullargspec(factory.__init__).args
    command: Command = factory(app, options, **({"cmd_name": name} if takes_name else {}))
    return command


class DocumentedCommand(Command):
    """A command whose docstring is its help; `examples` end that."""

    conflict_handler = "resolve"
    """A listing's own ``-c COLUMN`` gives way to ``-c FILE``; ``--column`` stays."""
    examples: tuple[str, ...] = ()

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """The parser with ``--debug``; subclasses add their own options."""
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        add_debug_option(parser)
        return parser

    def _load_hooks(self) -> None:
        """Load cliff's hooks of this command where any are installed.

        stevedore would read the entry points of all distributions once more to find none.
        """
        self._hooks = []
        if self.cmd_name and installed_plugins(f"{COMMANDS}.{self.cmd_name.replace(' ', '_')}"):
            super()._load_hooks()

    def get_epilog(self) -> str:
        """The examples, and what hooks of the command add."""
        lines = "\n".join(f"  {example}" for example in self.examples)
        hooks = (hook.obj.get_epilog() for hook in self._hooks if hook.obj is not None)
        return "\n\n".join(part for part in (f"examples:\n{lines}", *hooks) if part)


class ConfiguredCommand(DocumentedCommand):
    """A command with a configuration."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """The parser with ``-c FILE`` and ``--debug``; subclasses add their own options."""
        parser = super().get_parser(prog_name)
        add_config_option(parser, default=getattr(self.app_args, "config", None))
        return parser
