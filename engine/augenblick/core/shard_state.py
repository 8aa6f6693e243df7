"""What a shard knows beside its key groups, and its bytes in a checkpoint (SHARD_UNIT)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgpack
import msgspec

from augenblick.binding.kernel import Outputs
from augenblick.binding.releases import Release, pack
from augenblick.core.erasure import Erasure
from augenblick.core.leaving import LeavingPolicies
from augenblick.core.outbox import Outbox
from augenblick.core.shard_actors import ShardActors
from augenblick.core.shard_clock import GatewayClocks
from augenblick.core.shard_late import LateTimers
from augenblick.core.shard_panes import ShardPanes

FORMAT: Final = 1


@dataclass(slots=True)
class Gateway:
    """One gateway's batches so far: those of its latest incarnation; `number` as in its name.

    `may_jump`: the shard has recovered, and batches that changed nothing had no record: the next
    number may be any later one. Whether an event is missing the key groups' own numbers tell.
    """

    incarnation: int
    number: int
    last_seq: int = 0
    may_jump: bool = False


class Asked(NamedTuple):
    """Who asked for the erasure of this name, by which request."""

    peer: str
    header: Mapping[str, Any]
    name: tuple[str, int]


@dataclass(slots=True)
class Pending:
    """What waits for a journal record of `bytes` bytes to be durable.

    `clock_ms`: the kernel's clock once it is applied. `asked`: the record is that of an erasure.
    """

    outputs: Outputs
    clock_ms: int
    gateway: str = ""
    seq: int = 0
    received_us: int = 0
    bytes: int = 0
    asked: Asked | None = None


@dataclass(slots=True)
class ShardState:
    """Everything that a crash may not take, except the kernel."""

    gateways: dict[str, Gateway]
    clocks: GatewayClocks
    late: LateTimers
    panes: ShardPanes
    actors: ShardActors
    leaving: LeavingPolicies
    records: Outbox
    letters: Outbox
    erasures: dict[tuple[str, int], Erasure] = field(default_factory=dict)


def encode_state(
    state: ShardState,
    pending: Iterable[Pending],
    *,
    plan: dict[str, Any],
    clock_ms: int,
    letters_made: int,
) -> bytes:
    """The state as bytes, with the plan, the kernel's clock and what is still to be released."""
    held = [one.outputs for one in pending]
    content = {
        "format": FORMAT,
        "plan": plan,
        "clock_ms": clock_ms,
        "gateways": [[name, one.incarnation, one.last_seq] for name, one in state.gateways.items()],
        "clocks": state.clocks.snapshot(),
        "late": state.late.snapshot(),
        "panes": state.panes.snapshot(),
        "actors": state.actors.snapshot(),
        "quiet": state.leaving.snapshot(),
        "records": state.records.open_items(),
        "letters": state.letters.open_items(),
        "letters_made": letters_made,
        "erasures": [one.plain() for one in state.erasures.values()],
        "held": [
            [
                [msgspec.Raw(release.packed) for release in one.releases],
                one.dead_letters,
                one.matches,
                [plain_pane(row) for row in one.panes],
            ]
            for one in held
        ],
    }
    return pack(content)


def decode_state(data: bytes) -> dict[str, Any]:
    """The content that `encode_state` packed, `held` as Outputs."""
    content: dict[str, Any] = msgpack.unpackb(data, strict_map_key=False)
    content.setdefault("quiet", [])  # of an earlier build
    content.setdefault("erasures", [])  # of a version that knew none
    content["held"] = [
        Outputs(
            [Release.from_plain(one) for one in releases],
            letters,
            matches,
            [_pane_of(row) for row in panes],
        )
        for releases, letters, matches, panes in content["held"]
    ]
    return content


def plain_pane(row: Any) -> list[Any]:
    """A sum has up to 128 bits."""
    return [*row[:5], row[5].to_bytes(16, "little", signed=True)]


def _pane_of(row: list[Any]) -> Any:
    return (*row[:5], int.from_bytes(row[5], "little", signed=True))
