"""Rendering of an argparse parser as Markdown."""

from __future__ import annotations

import argparse
import inspect
import re
from typing import TYPE_CHECKING

from generated_reference.markdown import code, definition, filled, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON_OPTIONS = frozenset({"--help", "--config", "--debug"})
"""Options that the page explains once, for all commands."""


def render_options(parser: argparse.ArgumentParser) -> str:
    """Render the arguments and options of a parser, except the common ones."""
    entries = [_entry(parser, action) for action in own_actions(parser)]
    return "\n\n".join(entries)


def own_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the command's own arguments and options, without those of output formats."""
    groups = [
        group
        for group in parser._action_groups
        if group.title and not re.search(r"format|output", group.title, re.IGNORECASE)
    ]
    for action in (action for group in groups for action in group._group_actions):
        hidden = action.help == argparse.SUPPRESS
        if not hidden and not COMMON_OPTIONS & set(action.option_strings):
            yield action


def render_usage(prog: str, parser: argparse.ArgumentParser) -> str:
    """Render a one-line synopsis: required arguments, options abbreviated."""
    required, optional = [], False
    for action in own_actions(parser):
        if not action.option_strings:
            required.append(_value(action))
        elif action.required:
            required.append(f"{action.option_strings[-1]} {_value(action)}")
        else:
            optional = True
    configuration = ["[-c FILE]"] if _takes_configuration(parser) else []
    parts = [prog, *configuration, *required, *(["[options]"] if optional else [])]
    return code(" ".join(parts))


def render_epilog(text: str | None) -> str:
    """Render the examples at the end of a help text."""
    if not text:
        return ""
    lines = [line.strip() for line in inspect.cleandoc(text).splitlines()]
    examples = [line for line in lines if line and line != "examples:"]
    return "\n".join(["```text", *(f"$ {line}" for line in examples), "```"])


def render_description(text: str) -> str:
    """Render the paragraphs of a help text."""
    return "\n\n".join(
        filled(prose(paragraph)) for paragraph in inspect.cleandoc(text).split("\n\n")
    )


def _takes_configuration(parser: argparse.ArgumentParser) -> bool:
    return any("--config" in action.option_strings for action in parser._actions)


def _entry(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return "\n\n".join(_action_entries(action))
    names = [f"{name} {_value(action)}".strip() for name in action.option_strings]
    term = ", ".join(code(name) for name in names) or code(_value(action))
    return definition(term, filled(prose(_help(parser, action))))


def _action_entries(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> Iterator[str]:
    for name, parser in actions.choices.items():
        own = list(own_actions(parser))
        arguments = [_value(action) for action in own if not action.option_strings]
        sentences = [parser.description or ""]
        for action in own:
            shown = ", ".join(action.option_strings) or _value(action).strip("[]")
            sentences.append(f"{code(shown)}: {prose(_help(parser, action))}.")
        yield definition(code(" ".join([name, *arguments])), filled(" ".join(sentences)))


def _value(action: argparse.Action) -> str:
    """Return the placeholder of an argument or of an option's value; empty for a switch."""
    if action.nargs == 0:
        return ""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if metavar is None and action.choices and len(list(action.choices)) <= 3:
        metavar = "|".join(map(str, action.choices))
    written = metavar or action.dest.upper()
    if action.nargs == "*":
        return f"[{written}...]"
    if action.nargs == "+":
        return f"{written}..."
    return f"[{written}]" if action.nargs == "?" else written


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.help:
        raise LookupError(f"{parser.prog}: {action.dest} has no help text")
    facts = {**vars(action), "prog": parser.prog}
    facts["choices"] = ", ".join(map(str, action.choices or ()))
    return action.help % facts
