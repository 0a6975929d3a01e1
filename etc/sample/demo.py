"""A tour in one command: `make demo` runs this in the checkout, with the package installed.

It makes an SQLite database, replays the recorded day beside it through the triggers of etc/, and
says what fired, what expired and why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core import load_settings
from winchester_core.bootstrap import open_store, trigger_definitions
from winchester_core.plugins import CONDITIONS, PluginRegistry
from winchester_core.storage.records import EventFilter, StreamFilter

if TYPE_CHECKING:
    from winchester_core.model import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition

CONFIG = "etc/winchester.yaml"
SAMPLE = "etc/sample/one_day.jsonl.gz"
DATABASE = Path("demo.db")


def main() -> None:
    """Run the tour."""
    os.chdir(Path(__file__).resolve().parents[2])
    os.environ["WINCHESTER_DATABASE_URL"] = f"sqlite:///{DATABASE.resolve()}"
    os.environ["WINCHESTER_LOG_LEVEL"] = "warning"
    for leftover in Path().glob(f"{DATABASE}*"):
        leftover.unlink()
    command("winchester_db", "-c", CONFIG, "upgrade", "head")
    command("winchester", "replay", "-c", CONFIG, "--file", SAMPLE)
    settings = load_settings(CONFIG)
    definitions = trigger_definitions(settings, PluginRegistry(CONDITIONS))
    store = open_store(settings)
    try:
        tell_streams(store, {each.name: each for each in definitions})
        tell_verdicts(store)
    finally:
        store.close()
    tell_next()


def command(*words: str) -> None:
    """Show a command as a person would type it, and run it."""
    print(f"\n$ {' '.join(words)}", flush=True)
    program = Path(sys.executable).with_name(words[0])
    subprocess.run([program, *words[1:]], check=True)


def tell_streams(store: Store, definitions: dict[str, TriggerDefinition]) -> None:
    """Say what became of each stream."""
    streams = store.find_streams(StreamFilter(), limit=1000)
    for definition in definitions.values():
        print(f"\nA stream of {definition.name!r} fires once it has:")
        for criterion in definition.fire_criteria:
            print(f"  - {criterion.number} x {criterion.describe()}")
        print(f"and expires at {definition.expiration.text!r}.")
    print("\nWhat fired:")
    for stream in streams:
        if stream.fire_timestamp is not None:
            print(f"  {label(stream)}  complete at {stream.fire_timestamp:%d %b %H:%M}")
    print("What expired, and why:")
    for stream in streams:
        if stream.fire_timestamp is None:
            wanted = definitions[stream.name].fire_criteria
            missing = [
                f"{counted} of {criterion.number} x {criterion.describe()}"
                for counted, criterion in zip(stream.progress, wanted, strict=True)
                if counted < criterion.number
            ]
            print(f"  {label(stream)}  gave up at {stream.expire_timestamp:%d %b %H:%M}: had only")
            print("    " + "; ".join(missing))


def label(stream: StreamRecord) -> str:
    """Which stream, in a few characters."""
    instance = stream.distinguished_by["instance_id"]
    return f"stream {stream.id:>2}  instance {instance[:8]}  {stream.event_count:>2} events"


def tell_verdicts(store: Store) -> None:
    """Say what the usage handler found."""
    made = store.find_events(EventFilter(event_type="compute.instance.exists.*"), limit=1000)
    print("\nThe handler 'usage' judged every record of use:")
    for event_type, number in sorted(Counter(event["event_type"] for event in made).items()):
        print(f"  {number:>3} x {event_type}")
    for event in made:
        if "error_code" in event:
            fault = f"{event['error_code']} {event['error']}"
            print(f"    instance {event['instance_id'][:8]}: {fault}")


def tell_next() -> None:
    """Name the next command."""
    url = os.environ["WINCHESTER_DATABASE_URL"]
    print("\nWhat to try next:")
    print(f"  export WINCHESTER_DATABASE_URL={url}")
    print(f"  .venv/bin/winchester stream list -c {CONFIG} --column id --column state")
    print(f"  .venv/bin/winchester event list -c {CONFIG} --event-type '*.failed' -f json")


if __name__ == "__main__":
    main()
