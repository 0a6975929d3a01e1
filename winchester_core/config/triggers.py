"""The triggers document: a list of triggers, each checked before anything is compiled from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, MultipleInvalid

from winchester_core.config.mapping_tree import read_mapping
from winchester_core.config.report import Report
from winchester_core.config.trigger_fields import TRIGGER_SCHEMA, collect, distinguishing_name
from winchester_core.config.validation import INVALID, validate
from winchester_core.config.wording import BadKey, Expected, is_about_key, path_of, sentence
from winchester_core.criteria import compile_criterion
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winchester_core.config.document import Document
    from winchester_core.interfaces import Condition

PIPELINE_KEYS = ("fire_pipeline", "expire_pipeline")


def read_triggers(
    document: Document, conditions: Mapping[str, type[Condition]], report: Report
) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of the triggers document that are right; the rest goes to `report`."""
    items = document.root.children
    if items is None and document.root.scalar is None:
        return ()
    if not isinstance(items, list):
        report.add(document, (), "expected a list of triggers")
        return ()
    _report_duplicates(document, report)
    triggers = (
        _read_trigger(document.section(index), conditions, report) for index in range(len(items))
    )
    return tuple(trigger for trigger in triggers if trigger is not None)


def check_trigger_definitions(
    definitions: Iterable[Mapping[str, Any]], conditions: Mapping[str, type[Condition]]
) -> tuple[Mapping[str, Any], ...]:
    """Check triggers given by a program, as `load_settings` checks those of a file.

    Raises `ConfigurationError` with every problem of all of them.
    """
    report = Report()
    document = read_mapping(list(definitions), report, {}, "<trigger definitions>")
    triggers = () if document is None else read_triggers(document, conditions, report)
    report.close()
    return triggers


def validate_trigger(config: Any, conditions: Mapping[str, type[Condition]]) -> None:
    """Check one entry of the triggers document, criteria and conditions included.

    Raises `voluptuous.MultipleInvalid` with every problem, each a whole sentence with its path
    relative to the entry.
    """
    if not isinstance(config, Mapping):
        raise MultipleInvalid([Expected("expected a mapping that describes a trigger")])
    errors: list[Invalid] = []
    collect(errors, (), TRIGGER_SCHEMA, dict(config))
    for key, fire in (("match_criteria", False), ("fire_criteria", True)):
        compile_one = partial(compile_criterion, conditions=conditions, fire=fire)
        for index, criterion in _items(config.get(key)):
            collect(errors, (key, index), compile_one, criterion)
    errors += _mapped_name_errors(config)
    if not any(config.get(key) for key in PIPELINE_KEYS):
        errors.append(Invalid("names no pipeline; expected fire_pipeline, expire_pipeline or both"))
    if errors:
        raise MultipleInvalid([_worded(error, config) for error in errors])


def _read_trigger(
    document: Document, conditions: Mapping[str, type[Condition]], report: Report
) -> Mapping[str, Any] | None:
    def check(config: Any) -> Any:
        validate_trigger(config, conditions)
        return config

    trigger = validate(document, check, report)
    if trigger is INVALID:
        return None
    if "load_criteria" in trigger:
        del trigger["load_criteria"]
        message = "has no effect here, as in the older system; leave it out"
        report.warn(document, ("load_criteria",), message, at_key=True)
    plain: Mapping[str, Any] = trigger
    return plain


def _report_duplicates(document: Document, report: Report) -> None:
    first_index: dict[str, int] = {}
    for index, trigger in _items(document.value()):
        name = trigger.get("name") if isinstance(trigger, dict) else None
        if not isinstance(name, str):
            continue
        first = first_index.setdefault(name, index)
        if first != index:
            mark = document.mark((first, "name"))
            place = f"on line {mark.line}" if mark else f"as entry [{first}]"
            message = f"there is a trigger {name!r} already, {place}; names are unique"
            report.add(document, (index, "name"), message)


def _mapped_name_errors(config: Mapping[str, Any]) -> Iterator[Invalid]:
    """`map_distinguished_by` speaks of the trigger's distinguishing traits only."""
    if not isinstance(config.get("distinguished_by"), list):
        return
    names = (distinguishing_name(part) for _, part in _items(config["distinguished_by"]))
    known = {name for name in names if name is not None}
    for index, criterion in _items(config.get("match_criteria")):
        mapped = criterion.get("map_distinguished_by") if isinstance(criterion, Mapping) else None
        for key in mapped if isinstance(mapped, Mapping) else ():
            if key not in known:
                hint = suggestion(key, known, "distinguished_by has")
                message = f"not a distinguishing trait of this trigger; {hint}"
                yield BadKey(message, ["match_criteria", index, "map_distinguished_by", key])


def _worded(error: Invalid, config: Mapping[str, Any]) -> Invalid:
    """The same refusal as a sentence that needs no schema to be understood."""
    path = path_of(error)
    value: Any = config
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            value = None
    kind = BadKey if is_about_key(error) else Invalid
    return kind(sentence(error, value, TRIGGER_SCHEMA), list(path))


def _items(value: Any) -> list[tuple[int, Any]]:
    return list(enumerate(value)) if isinstance(value, list) else []
