"""``winchester mapping list|show|try``: mappings, and the events that they make."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.input_options import STDIN, read_messages
from winchester_core.cli.options import Argument, Flag, Repeated, load_configuration
from winchester_core.cli.output import FlatLister, join_lines
from winchester_core.inspection.mapping_trial import INVALID, try_message
from winchester_core.mapping import (
    MappingSet,
    ready_mapping_names,
    ready_mapping_samples,
    ready_mapping_summary,
    ready_mapping_text,
)
from winchester_core.model.message import Message, MessageKind
from winchester_core.plugins import TRAIT_PLUGINS, PluginRegistry
from winchester_core.service.exit import DONE, FAILED, UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PACKAGE: Final = "package"
CONFIGURATION: Final = "configuration"
MAX_UNMET_SHOWN: Final = 5


def read_mappings(args: Namespace) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the mappings of the configuration, and the trait plugins; without ``-c`` no mappings.

    Raises `ConfigurationError`.
    """
    if args.config is None:
        return {}, PluginRegistry(TRAIT_PLUGINS)
    settings = load_configuration(args, needs=(), ignores=("triggers", "pipelines", "sources"))
    return settings.mapping_definitions, settings.trait_plugins


def check_name(name: str, known: Iterable[str]) -> None:
    """Raise `UsageError` for the name of an unknown mapping."""
    if name not in known:
        raise UsageError(f"no mapping is named {name!r}; {suggestion(name, known, 'there are')}")


class MappingList(FlatLister):
    """List the mappings: the ready ones, and with -c those of the configuration.

    The columns are the name, the origin (package or configuration), the number of rules, and for a
    ready mapping a summary. A mapping of the configuration replaces the ready one of its name.
    """

    examples = ("winchester mapping list", "winchester mapping list -c winchester.yaml -f json")
    columns = "name origin rules summary"

    def objects(self, parsed_args: Namespace) -> list[dict[str, Any]]:
        """Return the mappings by name."""
        own, plugins = read_mappings(parsed_args)
        mappings = MappingSet(own, plugins)
        return [
            {
                "name": name,
                "origin": CONFIGURATION if name in own else PACKAGE,
                "rules": len(mappings.rules(name)),
                "summary": "" if name in own else ready_mapping_summary(name),
            }
            for name in sorted(mappings.names)
        ]


class MappingShow(ConfiguredCommand):
    """Print a mapping as YAML, in the format of mapping_definitions.

    A ready mapping is printed with its comments, so that it can be the beginning of your own: write
    it to a file, name the file in mapping_definitions, and change it.
    """

    examples = (
        "winchester mapping show github > mappings.yaml",
        "winchester mapping show -c winchester.yaml cameras",
    )
    arguments = (Argument("name NAME", "the mapping's name"),)

    def take_action(self, parsed_args: Namespace) -> int:
        """Print the mapping. Raises `UsageError` for an unknown name."""
        import yaml

        own, _plugins = read_mappings(parsed_args)
        name = parsed_args.name
        check_name(name, {*own, *ready_mapping_names()})
        if name in own:
            text = yaml.safe_dump({name: own[name]}, sort_keys=False, allow_unicode=True)
        else:
            text = ready_mapping_text(name)
        self.app.stdout.write(text)
        return DONE


def name_and_value(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE: the `type` of an argparse argument."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name, value


class MappingTry(FlatLister):
    """Show the events that mappings would make of messages in a file. Nothing is stored.

    The file contains one JSON document, or one per line; each is a message. If the whole file is an
    array, each element is. With --samples, each is an object with the body of a message, and maybe
    its headers and properties. Without FILE, the messages are the samples of a ready mapping.

    Shows for each message which rule applies, and the events with the types of their traits, the
    traits that are dropped, or the reason why the message is dropped or invalid. If no rule
    matches, shows for each rule the path of the first condition that does not hold. If a message is
    invalid, the exit status is 1.
    """

    examples = (
        "winchester mapping try --mapping github",
        "winchester mapping try -c winchester.yaml message.json --mapping cameras",
        (
            "winchester mapping try -c winchester.yaml hooks.jsonl --mapping shop "
            "--header X-Event=order -f json"
        ),
    )
    columns = "message rule outcome event_type timestamp traits reason"
    arguments = (
        Argument("file FILE", "the file; - is standard input", nargs="?"),
        Repeated(
            "--mapping NAME",
            "a mapping to try, in this order (default: those of the configuration, or else the "
            "ready ones). Repeatable",
        ),
        Repeated(
            "--header NAME=VALUE", "a header of every message. Repeatable", type=name_and_value
        ),
        Repeated(
            "--property NAME=VALUE",
            "a property of every message, as its source would set it. Repeatable",
            type=name_and_value,
        ),
        Flag("--samples", "the file has objects with body, and maybe headers and properties"),
    )

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the default columns."""
        del parsed_args
        columns = self.columns.split()
        return columns, [*columns, "message_id", "dropped_traits"]

    def objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        """Yield an object for each event, and for each message without one."""
        own, plugins = read_mappings(parsed_args)
        mappings = MappingSet(own, plugins)
        for name in parsed_args.mapping:
            check_name(name, mappings.names)
        for message in self._messages(parsed_args, list(own) or sorted(mappings.names)):
            for shown in try_message(mappings, message):
                if shown["outcome"] == INVALID:
                    self.status = FAILED
                yield shown

    def _messages(self, args: Namespace, default: list[str]) -> Iterator[Message]:
        names = tuple(args.mapping or default)
        fields: dict[str, Any] = {
            "mappings": names,
            "headers": dict(args.header),
            "properties": dict(args.property),
        }
        if args.file is None:
            yield from _sample_messages(args, fields)
            return
        for message in read_messages(args.file):
            if args.samples:
                yield _sample_message(message.body, message.received_from, fields)
            else:
                yield Message(
                    message.body,
                    MessageKind.EVENT,
                    received_from=message.received_from,
                    fault=message.fault,
                    **fields,
                )

    def value(self, each: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column; those of the event are among them."""
        if column in ("event_type", "timestamp", "message_id"):
            return (each["event"] or {}).get(column)
        return each.get(column)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return a value; traits with their types, and reasons, each on a line."""
        if column == "traits":
            return join_lines(_trait_lines(each))
        if column == "reason":
            return join_lines(_reason_lines(each))
        return super().cell(each, column)


def _trait_lines(each: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in (each["trait_types"] or {}).items():
        yield f"{name}: {json.dumps(each['event'][name], ensure_ascii=False)} ({kind})"


def _reason_lines(each: Mapping[str, Any]) -> Iterator[str]:
    if each["reason"] is not None:
        yield each["reason"]
    unmet = each["unmet_conditions"] or {}
    for rule, path in list(unmet.items())[:MAX_UNMET_SHOWN]:
        yield f"{rule}: the condition on {path} does not hold"
    if len(unmet) > MAX_UNMET_SHOWN:
        yield f"and {len(unmet) - MAX_UNMET_SHOWN} more rules (-f json)"
    for name, reason in (each["dropped_traits"] or {}).items():
        yield f"dropped {name}: {reason}"


def _sample_messages(args: Namespace, fields: Mapping[str, Any]) -> Iterator[Message]:
    """Yield the samples of the ready mappings that the options name. Raises `UsageError`."""
    if not args.mapping:
        raise UsageError(f"name a file ({STDIN} is standard input), or a ready mapping: --mapping")
    for name in args.mapping:
        if name not in ready_mapping_names():
            raise UsageError(f"the mapping {name!r} has no samples: name a file with messages")
        for number, sample in enumerate(ready_mapping_samples(name), start=1):
            yield _sample_message(sample, f"sample {number} of {name}", fields)


def _sample_message(sample: Any, origin: str, fields: Mapping[str, Any]) -> Message:
    """Return the message of a sample. Raises `UsageError` if it is no sample."""
    try:
        content = json.loads(sample) if isinstance(sample, bytes) else sample
    except ValueError as error:
        raise UsageError(f"{origin}: the sample is not JSON: {error}") from None
    if not isinstance(content, dict) or "body" not in content:
        raise UsageError(f"{origin}: expected a sample, an object with body")
    more = {key: {**fields[key], **(content.get(key) or {})} for key in ("headers", "properties")}
    return Message(
        json.dumps(content["body"]).encode(),
        MessageKind.EVENT,
        received_from=origin,
        **{**fields, **more},
    )
