"""The messages of the link: the framed protocol between the engine's own processes.

A message is a kind, a header (a small msgpack map) and a payload (raw bytes that only the two ends
understand).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

PROTOCOL_VERSION: Final = 1


class Kind(IntEnum):
    """What a message is; values are part of the wire format and are never used again for something
    else.
    """

    HELLO = 1  # role, name, incarnation, cluster, epoch, versions, nonce
    PROOF = 2  # mac
    PING = 3  # keeps a quiet connection alive; never reaches a core
    TABLE = 4  # coordinator -> all: the routing table
    REGISTER = 5  # all -> coordinator: role, name, incarnation, address, and the role's own facts
    HEARTBEAT = 6  # all -> coordinator: status map
    BATCH = 10  # gateway -> shard: seq, incarnation, epoch; payload: stream of marks and events
    BATCH_ACK = 11  # shard -> gateway: seq, cumulative
    REFUSED = 12  # shard -> gateway: seq, reason, epoch
    RECORDS = 20  # shard, coordinator -> delivery: seq; payload: msgpack list of releases
    RECORDS_DONE = 21  # delivery -> sender: seq, outcomes
    DEAD_LETTERS = 22  # any -> delivery: seq; payload: msgpack list of dead letters
    DEAD_LETTERS_DONE = 23  # delivery -> sender: seq
    PANES = 30  # shard -> coordinator: epoch, clock_ms, origin_ms; payload: closed, pane rows
    PANES_DONE = 31  # coordinator -> shard: open_from; payload: what is to be kept of closed ones
    ACTOR_BATCH = 40  # shard -> trigger host: seq, trigger; payload: msgpack columns
    ACTOR_FIRINGS = 41  # trigger host -> shard: seq; payload: msgpack list of firings
    REQUEST = 50  # control plane: id, method, path, query; payload: body
    RESPONSE = 51  # control plane: id, status, content_type; payload: body
    SAVEPOINT = 55  # coordinator -> shard: name, url, ranges; snapshot everything at one position
    SAVED = 56  # shard -> coordinator: name, done, groups, bytes, held_ms, is_done, error
    ERASE = 57  # shard -> delivery: user (mark), asked_ms, is_last; rewrite the dead letters
    LETTERS_ERASED = 58  # delivery -> shard: the same, once that is done
    SAVEPOINT_DROPPED = 59  # coordinator -> shard: name; it has failed, go on
    STOP = 60  # coordinator -> all: begin the orderly stop
    STOPPED = 61  # all -> coordinator: the orderly stop is complete


class Message(NamedTuple):
    """One message; the payload is a view into bytes that nobody changes."""

    kind: int
    header: dict[str, Any]
    payload: bytes | memoryview = b""
