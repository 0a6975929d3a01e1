"""The demo: `make demo` runs this in the checkout, with the package installed.

It creates an SQLite database, replays the recorded day in this directory through the triggers of
etc/, and prints which streams fired and which expired, and why.
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
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from winchester_core.model import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition

CONFIG = "etc/winchester.yaml"
SAMPLE = "etc/sample/one_day.jsonl.gz"
DATABASE = Path("demo.db")


def main() -> None:
    """Run the demo."""
    os.chdir(Path(__file__).resolve().parents[2])
    os.environ["WINCHESTER_DATABASE_URL"] = f"sqlite:///{DATABASE.resolve()}"
    os.environ["WINCHESTER_LOG_LEVEL"] = "warning"
    for old_file in Path().glob(f"{DATABASE}*"):
        old_file.unlink()
    run_command("winchester_db", "-c", CONFIG, "upgrade", "head")
    run_command("winchester", "replay", "-c", CONFIG, "--file", SAMPLE)
    settings = load_settings(CONFIG)
    definitions = trigger_definitions(settings)
    store = open_store(settings)
    try:
        print_streams(store, {each.name: each for each in definitions})
        print_verdicts(store)
    finally:
        store.close()
    print_next_commands()


def run_command(*words: str) -> None:
    """Print a command line and run it."""
    print(f"\n$ {' '.join(words)}", flush=True)
    program = Path(sys.executable).with_name(words[0])
    subprocess.run([program, *words[1:]], check=True)


def print_streams(store: Store, definitions: dict[str, TriggerDefinition]) -> None:
    """Print the outcome of each stream."""
    streams = store.find_streams(StreamFilter(), limit=1000)
    for definition in definitions.values():
        print(f"\nA stream of {definition.name!r} fires once it has:")
        for criterion in definition.fire_criteria:
            print(f"  - {criterion.number} x {criterion.describe()}")
        print(f"and expires at {definition.expiration.text!r}.")
    print("\nFired streams:")
    for stream in streams:
        if stream.fire_timestamp is not None:
            print(f"  {label(stream)}  fired at {stream.fire_timestamp:%d %b %H:%M}")
    print("Expired streams, and their unmet fire criteria:")
    for stream in streams:
        if stream.fire_timestamp is None:
            criteria = definitions[stream.name].fire_criteria
            unmet = [
                f"{counted} of {criterion.number} x {criterion.describe()}"
                for counted, criterion in zip(stream.progress, criteria, strict=True)
                if counted < criterion.number
            ]
            print(f"  {label(stream)}  expired at {stream.expire_timestamp:%d %b %H:%M} with")
            print("    " + "; ".join(unmet))


def label(stream: StreamRecord) -> str:
    """Return a short description of a stream."""
    instance = stream.distinguished_by["instance_id"]
    return f"stream {stream.id:>2}  instance {instance[:8]}  {stream.event_count:>2} events"


def print_verdicts(store: Store) -> None:
    """Print the verdicts of the usage handler."""
    verdicts = store.find_events(EventFilter(event_type="compute.instance.exists.*"), limit=1000)
    print("\nVerdicts of the handler 'usage' on the usage records:")
    for event_type, number in sorted(Counter(event["event_type"] for event in verdicts).items()):
        print(f"  {number:>3} x {event_type}")
    for event in verdicts:
        if "error_code" in event:
            error = f"{event['error_code']} {event['error']}"
            print(f"    instance {event['instance_id'][:8]}: {error}")


def print_next_commands() -> None:
    """Print commands to try next, the console last."""
    url = os.environ["WINCHESTER_DATABASE_URL"]
    print("\nCommands to try next:")
    print(f"  export WINCHESTER_DATABASE_URL={url}")
    print(f"  .venv/bin/winchester stream list -c {CONFIG} --column id --column state")
    print(f"  .venv/bin/winchester event list -c {CONFIG} --event-type '*.failed' -f json")
    print("\nTo look at the streams in a browser, at http://127.0.0.1:8100/:")
    print(f"  .venv/bin/winchester console -c {CONFIG}")


if __name__ == "__main__":
    main()
