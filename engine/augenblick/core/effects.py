"""What a pure core asks its shell to do.

Every core class has methods `on_<stimulus>(..., now_ms) -> list[Effect]`. It touches no socket,
clock, disk or Ray; it returns effects, in the order in which they are to be carried out, and the
shell (an actor, or the simulation) carries them out. A shell never decides anything on business
data. Effects are frozen and hold plain values, so that a test compares lists of them.

Stimuli that every core on the link has, so that one shell can host any of them (`LinkedCore`
below): `on_peer_connected`, `on_peer_lost`, `on_message`, `on_tick`, `on_stop`. `now_ms` is the
wall clock in ms; shells pass a float with a fraction (for latencies), tests may pass whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from augenblick.core.erasure import Erasure


@dataclass(frozen=True, slots=True)
class Send:
    """Send a link message to a named peer ("coordinator", "delivery", "shard-0", "gateway-1",
    "trigger-NAME").

    If the peer is not connected, the message is dropped: a core that needs it delivered keeps it
    and sends it again when the shell calls `on_peer_connected(peer, ...)`. `kind` is one of
    `augenblick.link.messages.Kind`.
    """

    peer: str
    kind: int
    header: dict[str, Any] = field(default_factory=dict)
    payload: bytes | memoryview = b""


@dataclass(frozen=True, slots=True)
class Connect:
    """Keep a link connection to a peer open at this address ("host:port"), dialling again until
    `Disconnect`.

    A second `Connect` for the same peer with another address or incarnation replaces the first. A
    peer that answers with another incarnation than the one named here is refused (0 = any).
    """

    peer: str
    address: str
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection to a peer and dial it no more."""

    peer: str


@dataclass(frozen=True, slots=True)
class Append:
    """Make a journal record durable, then call `on_appended(token, now_ms)`; tokens come back in
    order.

    The record is the concatenation of the parts (the large one is not copied to build it). The
    store `none` keeps nothing and answers at once, within the same turn of the shell.
    """

    token: int
    parts: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Keep a unit's state for the next checkpoint: it stands where the journal's last Append ends.

    With SHARD_UNIT a set is complete: once the journal is synced up to there, write it, forget what
    the journal holds below every unit's position, then call `on_checkpointed(now_ms)`.
    """

    unit: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Confirm:
    """Nothing of a unit has changed since its snapshot: that one stands for it here too."""

    unit: int


@dataclass(frozen=True, slots=True)
class Save:
    """Write a unit of this shard to the savepoint in the folder `url`; SHARD_UNIT is its last one.

    After each turn's units call `on_saving(name, waiting_bytes, now_ms)`, with the bytes that are
    not written yet, and in the end `on_saved(name, bytes, error, now_ms)`: all is durable, or why
    not.
    """

    name: str
    url: str
    unit: int
    data: bytes


@dataclass(frozen=True, slots=True)
class DropSave:
    """Write no more of this savepoint: it has failed, or another was asked for."""

    name: str


@dataclass(frozen=True, slots=True)
class IssueReceipt:
    """Sign and write the receipt of an erasure, then call `on_receipt(erasure, now_ms)` (shard
    only). One that is there already stays.
    """

    erasure: Erasure


@dataclass(frozen=True, slots=True)
class ShowReceipts:
    """Answer a control request with the receipts of the user with this mark; `running`: erasures
    that have none yet (shard only).
    """

    peer: str
    request: int
    user: str
    running: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class EraseLetters:
    """Rewrite the dead-letter files without the user with this mark, behind all writes asked for
    before, then call `on_letters_erased(sender, erased, error, now_ms)` (delivery only).
    """

    sender: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PrepareSavepoint:
    """Make a folder `name` in the place `to` ("": the data directory's own), if the operator allows
    that; then call `on_savepoint_prepared(name, url, error, now_ms)` (coordinator only).
    """

    name: str
    to: str


@dataclass(frozen=True, slots=True)
class FinishSavepoint:
    """All parts are durable: write what makes them one savepoint, last, then call
    `on_savepoint_finished(name, error, now_ms)` (coordinator only).
    """

    name: str
    url: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DropSavepoint:
    """A savepoint has failed: remove what its shards have written to its folder (coordinator
    only).
    """

    url: str
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteClient:
    """Write to a client's connection the acks of so many of its chunks."""

    connection: int
    data: bytes
    chunks: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """Complete a client's request that waited for the ack; `results` has the status text per event
    (None: accepted).
    """

    connection: int
    request: int
    status: int
    results: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Read no more from a client's connection (back-pressure) until `ResumeReading`."""

    connection: int


@dataclass(frozen=True, slots=True)
class ResumeReading:
    """Read from a client's connection again."""

    connection: int


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close a client's connection; the reason is counted and logged."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class Perform:
    """Carry out one attempt of an action, then call `on_performed(outcomes, now_ms)` with pairs of
    delivery and None (accepted) or the DeliveryFailed.

    `delivery` numbers the delivery inside the delivery core; `action` is a name of the program's
    actions; `packed` is the record; `key` is the idempotency key, equal in every attempt: the
    firing's id.
    """

    delivery: int
    action: str
    packed: bytes
    attempt: int
    key: str


@dataclass(frozen=True, slots=True)
class PerformTogether:
    """Carry out one attempt for several records, for a target that takes many.

    As `Perform`, with (key, packed record, attempt) per record; a list in place of the outcome has
    one outcome per record.
    """

    delivery: int
    action: str
    parts: tuple[tuple[str, bytes, int], ...]


@dataclass(frozen=True, slots=True)
class StoreDeadLetters:
    """Write dead letters to the dead-letter files, then call `on_dead_letters_stored(token, stored,
    now_ms)`.
    """

    token: int
    letters: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class StartShard:
    """Ask the runtime for a new shard actor (coordinator only). The state of the one it replaces is
    gone with store none. `hosts`: where the shards are, by index; "" for one that is away.
    """

    shard: int
    incarnation: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartSpare:
    """Ask the runtime for a new spare (coordinator only), on the machine of this shard; `host` is
    that machine's address.
    """

    index: int
    incarnation: int
    host: str


@dataclass(frozen=True, slots=True)
class KillOwner:
    """End the process that holds this shard's directory (spare only)."""

    shard: int


@dataclass(frozen=True, slots=True)
class CallCustom:
    """Call the custom class with these columns, then `on_called(token, firings, error, now_ms)`."""

    token: int
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EndProcess:
    """End this process at once; its supervisor starts another."""

    reason: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call `on_tick(now_ms)` no later than this wall clock instant, beside the regular ticks."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Log:
    """One line for the log: level is "debug", "info", "warning" or "error"; fields are plain
    values.
    """

    level: str
    text: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The core has finished its orderly stop: nothing it holds is undelivered. The shell may
    end.
    """


Effect = (
    Send
    | Connect
    | Disconnect
    | Append
    | Snapshot
    | Confirm
    | Save
    | DropSave
    | IssueReceipt
    | ShowReceipts
    | EraseLetters
    | PrepareSavepoint
    | FinishSavepoint
    | DropSavepoint
    | WriteClient
    | Answer
    | PauseReading
    | ResumeReading
    | CloseClient
    | Perform
    | PerformTogether
    | StoreDeadLetters
    | StartShard
    | StartSpare
    | KillOwner
    | CallCustom
    | EndProcess
    | WakeAt
    | Log
    | Stopped
)


class LinkedCore(Protocol):
    """The stimuli that a shell on the link delivers; peers are named as in `Send`."""

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """A peer proved itself; `hello` is its HELLO header (role, name, incarnation, epoch and
        what it adds).
        """

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """The connection to a peer broke; what was sent and not answered may or may not have
        arrived.
        """

    def on_message(
        self,
        peer: str,
        kind: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: float,
    ) -> list[Effect]:
        """A message of a proven peer arrived, in the order sent. The payload may be kept: nobody
        changes it.
        """

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Called about every `limits.tick_ms`."""

    def on_stop(self, now_ms: float) -> list[Effect]:
        """Begin the orderly stop; a `Stopped` effect follows now or after a later stimulus."""
