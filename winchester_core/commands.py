"""Base classes and options of command plugins (entry points of `winchester.commands`).

A command subclasses `ConfiguredCommand` and one of cliff's `Lister`, `ShowOne` or nothing:

>>> class StreamReport(ConfiguredCommand, Lister):
...     def take_action(self, parsed_args):
...         settings = load_configuration(parsed_args, ignores=ALL_BUT_DATABASE)
...         with closing(open_store(settings)) as store:
...             ...
"""

from winchester_core.cli.command import ConfiguredCommand, DocumentedCommand
from winchester_core.cli.options import ALL_BUT_DATABASE, add_config_option, load_configuration
from winchester_core.service.exit import UsageError

__all__ = [
    "ALL_BUT_DATABASE",
    "ConfiguredCommand",
    "DocumentedCommand",
    "UsageError",
    "add_config_option",
    "load_configuration",
]
