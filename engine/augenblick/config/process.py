"""What every process of the engine is told when it starts: plain values, sent by the launcher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from augenblick import limits
from augenblick.plan.program import Program

Durability = Literal["fsync", "os", "none"]
"""When a shard answers: on disk, handed to the operating system, or applied in memory alone."""


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """One for all processes of an engine.

    `coordinator` is the address everybody dials ("host:port"); `link_host` is where each process
    listens for the others, "" for the address by which its machine reaches the coordinator.
    `shard_resource` and `home_resource` are the Ray resources of the nodes for shards (and spares)
    and for all others, "" for any node. `key_file`: keys for what lies on disk, on each machine;
    None: nothing is encrypted. `directories`: by shard, which of its directories counts
    (`ShardIdentity`), where shards live on several machines; empty: all lie below `data` on this
    one. The cluster secret is not in here: it comes from a file or the environment of each
    machine (`config.secret`).
    """

    cluster_id: str
    hash_key: bytes
    program: Program
    plan_text: str
    data: Path
    coordinator: str
    link_host: str
    shards: int
    gateways: int
    is_event_clock: bool
    log_level: str = "info"
    now_limit_ms: int = 2**63 - 1
    memory_bytes_max: int = 0
    home_resource: str = ""
    shard_resource: str = ""
    durability: Durability = "none"
    key_file: Path | None = None
    catch_up_ms: int = 0
    spares: int = 0
    savepoint_allow: tuple[str, ...] = ()
    journal_age_ms_max: int = 86_400_000
    directories: tuple[str, ...] = ()
    replay_max: int = limits.checkpoint_replay_events_max

    def directory_of(self, shard: int) -> str:
        """Which of the shard's directories counts; "" for whichever lies here."""
        return self.directories[shard] if self.directories else ""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What only gateways need: their ports and who may use them ("" or None: not served)."""

    forward: str
    http: str
    control_token_file: Path
    pseudonym_key_file: Path
    shared_key_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    write_key_file: Path | None = None
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """What only delivery needs: what the operator lets a plan do (see channels.ChannelSettings)."""

    file_allow: tuple[Path, ...] = ()
    webhook_allow: tuple[str, ...] = ()
    loopback_allowed: bool = False
    secrets: tuple[str, ...] = ()
    drain_seconds: float = 8.0
