"""Base classes of the commands of ``winchester``, and the registry that finds them."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any, cast

from cliff.command import Command
from cliff.commandmanager import CommandManager

from winchester_core.cli.options import DEBUG_OPTION, add_config_option
from winchester_core.plugins import COMMANDS, installed_plugins

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from cliff.app import App

    from winchester_core.cli.options import Argument


class CommandRegistry(CommandManager):
    """Registry of installed commands, each imported on first use.

    Raises `PluginError` on that import if a command cannot be loaded or its name is registered
    twice.
    """

    def load_commands(self, namespace: str) -> None:
        """Register the entry points of `namespace`."""
        self.group_list.append(namespace)
        self.commands.update(cast("Any", installed_plugins(namespace)))


def instantiate(factory: Any, app: App, name: str, options: Namespace | None) -> Command:
    """Create the command `name`; as in cliff, its class need not accept `cmd_name`."""
    takes_name = "cmd_name" in inspect.getfullargspec(factory.__init__).args
    command: Command = factory(app, options, **({"cmd_name": name} if takes_name else {}))
    return command


class DocumentedCommand(Command):
    """Command. Its help text is the docstring followed by `examples`."""

    conflict_handler = "resolve"
    """``-c FILE`` overrides the ``-c COLUMN`` of cliff's listings; ``--column`` remains."""
    arguments: tuple[Argument, ...] = ()
    """Arguments in addition to the arguments of the base classes."""
    examples: tuple[str, ...] = ()

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Return the parser with the common options and the `arguments`."""
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self.add_common_options(parser)
        for base in reversed(type(self).__mro__):
            for argument in vars(base).get("arguments", ()):
                argument.add_to(parser)
        return parser

    def add_common_options(self, parser: ArgumentParser) -> None:
        """Add ``--debug``."""
        DEBUG_OPTION.add_to(parser)

    def _load_hooks(self) -> None:
        """Load cliff's hooks of this command if any are installed.

        Without this check, stevedore reads the entry points of all distributions again.
        """
        self._hooks = []
        if self.cmd_name and installed_plugins(f"{COMMANDS}.{self.cmd_name.replace(' ', '_')}"):
            super()._load_hooks()

    def get_epilog(self) -> str:
        """Return the examples and the epilogs of the command's hooks."""
        examples = "\n  ".join(("examples:", *self.examples)) if self.examples else ""
        hooks = (hook.obj.get_epilog() for hook in self._hooks if hook.obj is not None)
        return "\n\n".join(part for part in (examples, *hooks) if part)


class ConfiguredCommand(DocumentedCommand):
    """Command that reads a configuration."""

    def add_common_options(self, parser: ArgumentParser) -> None:
        """Add ``--debug`` and ``-c FILE``."""
        super().add_common_options(parser)
        add_config_option(parser, default=getattr(self.app_args, "config", None))
