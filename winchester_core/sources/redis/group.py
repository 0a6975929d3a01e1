"""Commands of one consumer in a consumer group: reading, claiming and acknowledging entries.

Each entry that was delivered and not acknowledged is pending at one consumer of the group. The idle
time of a pending entry is the time since its last delivery or claim.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis import Redis

logger = logging.getLogger(__name__)

NEW = ">"
BEGINNING = "0-0"

DEAD_CONSUMER_FACTOR = 60
"""A consumer without pending entries is removed after this number of `claim_idle_seconds`."""

REMOVE_DEAD_CONSUMERS = """
local removed = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  if consumer['name'] ~= ARGV[2] and consumer['pending'] == 0
      and consumer['idle'] > tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
    removed = removed + 1
  end
end
return removed
"""
"""Script, so that no consumer gets an entry between the check and its removal."""


class EntryId(NamedTuple):
    """Stream and id of an entry."""

    stream: str
    id: str


class Entry(NamedTuple):
    """An entry of a stream. Without fields, it has been deleted or trimmed."""

    id: EntryId
    fields: Mapping[bytes, bytes]


class GroupConsumer:
    """Consumer of a group on several streams. Methods raise the errors of redis-py."""

    def __init__(self, client: Redis, group: str, name: str, claim_idle_seconds: float) -> None:
        self._client = client
        self._group, self._name = group, name
        self._claim_idle_ms = max(1, int(claim_idle_seconds * 1000))

    def read(
        self, positions: Mapping[str, str], count: int, block_seconds: float = 0.0
    ) -> list[Entry]:
        """Return up to `count` entries of each stream, at most after `block_seconds`.

        A position is `NEW`, or an id: then the entries that are pending at this consumer, with
        higher ids.
        """
        block_ms = int(block_seconds * 1000) or None  # 0 would be no limit
        found = self._client.xreadgroup(
            self._group, self._name, dict(positions), count=count, block=block_ms
        )
        return [
            entry for stream, entries in found or () for entry in _entries(_text(stream), entries)
        ]

    def claim(self, stream: str, position: str, count: int) -> tuple[str, list[Entry]]:
        """Take entries that have been idle for too long, from `position` on.

        Return the next position, which is `BEGINNING` at the end, and the entries.
        """
        reply = self._client.xautoclaim(
            stream, self._group, self._name, self._claim_idle_ms, position, count
        )
        return _text(reply[0]), _entries(stream, reply[1])

    def keep(self, ids: Iterable[EntryId]) -> None:
        """Reset the idle time of entries, so that no other consumer takes them."""
        self._set_idle(ids, 0)

    def release(self, ids: Iterable[EntryId]) -> None:
        """Let other consumers take entries at once."""
        self._set_idle(ids, self._claim_idle_ms)

    def ack(self, ids: Iterable[EntryId], *, delete: bool) -> None:
        """Acknowledge entries, and delete them from their streams if `delete`."""
        with self._client.pipeline(transaction=False) as pipeline:
            for stream, stream_ids in _by_stream(ids).items():
                pipeline.xack(stream, self._group, *stream_ids)
                if delete:
                    pipeline.xdel(stream, *stream_ids)
            pipeline.execute()

    def remove_dead_consumers(self, stream: str) -> None:
        """Remove consumers that have been idle for long and have no pending entries."""
        idle_ms = DEAD_CONSUMER_FACTOR * self._claim_idle_ms
        try:
            removed = self._client.eval(
                REMOVE_DEAD_CONSUMERS, 1, stream, self._group, self._name, idle_ms
            )
        except ResponseError as error:  # of a user without the permission for scripts
            logger.debug("dead consumers not removed: stream=%s error=%s", stream, error)
        else:
            if removed:
                logger.info("dead consumers removed: stream=%s consumers=%d", stream, removed)

    def lag(self, streams: Iterable[str]) -> int | None:
        """Return the number of undelivered entries, or None if the server does not know it."""
        total = 0
        for stream in streams:
            groups = self._client.xinfo_groups(stream)
            mine = [each for each in groups if _text(each["name"]) == self._group]
            lag = mine[0].get("lag") if mine else None
            if lag is None:
                return None
            total += int(lag)
        return total

    def _set_idle(self, ids: Iterable[EntryId], idle_ms: int) -> None:
        with self._client.pipeline(transaction=False) as pipeline:
            for stream, stream_ids in _by_stream(ids).items():
                pipeline.xclaim(
                    stream, self._group, self._name, 0, stream_ids, idle=idle_ms, justid=True
                )
            pipeline.execute()


def _by_stream(ids: Iterable[EntryId]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for each in ids:
        grouped.setdefault(each.stream, []).append(each.id)
    return grouped


def _entries(stream: str, entries: Iterable[Any]) -> list[Entry]:
    """Return entries; Redis 6.2 has no id for deleted ones that were claimed."""
    return [
        Entry(EntryId(stream, _text(entry_id)), fields)
        for entry_id, fields in entries
        if entry_id is not None
    ]


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
