"""What `serve` was asked to do, checked: one value per flag."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from augenblick import limits
from augenblick.config.process import Durability
from augenblick.errors import UsageError
from augenblick.plan.durations import parse_duration


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The flags of `augenblick serve`; `check` raises UsageError for what cannot be meant.

    Gateway number i listens at the ports given + i. A port of 0 is any free one (one gateway).
    With `ray`, everything but the shards runs on the launcher's node.
    """

    plan: str
    data: Path
    shards: int = 2
    gateways: int = 1
    forward: str = "127.0.0.1:24224"
    http: str = "127.0.0.1:8080"
    clock: str | None = None
    ray: str | None = None
    shard_resource: str = ""
    shard_nodes: int = 0
    shared_key_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    write_key_file: Path | None = None
    origins: tuple[str, ...] = ()
    webhook_allow: tuple[str, ...] = ()
    file_allow: tuple[Path, ...] = ()
    secrets: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    memory_bytes_max: int = 0
    log_level: str = "warning"
    is_insecure: bool = False
    durability: str | None = None
    accept_loss: tuple[str, ...] = ()
    spares: int = 1
    key_file: Path | None = None
    pseudonym_key_file: Path | None = None
    catch_up: str = "30s"
    from_savepoint: str | None = None
    savepoint_allow: tuple[str, ...] = ()
    replay_max: int = limits.checkpoint_replay_events_max
    journal_age_max: str = "24h"

    def check(self) -> None:
        """Raise UsageError for the first flag that cannot be meant."""
        if not 1 <= self.shards <= limits.shards_max:
            raise UsageError(f"--shards is 1 to {limits.shards_max}, not {self.shards}")
        if not 1 <= self.gateways <= limits.gateways_max:
            raise UsageError(f"--gateways is 1 to {limits.gateways_max}, not {self.gateways}")
        if self.spares not in (0, 1):
            raise UsageError(f"--spares is 0 or 1, not {self.spares}")
        if self.clock not in (None, "wall", "event"):
            raise UsageError(f"--clock is wall or event, not {self.clock!r}")
        if self.durability not in (None, "fsync", "os", "none"):
            raise UsageError(f"--durability is fsync, os or none, not {self.durability!r}")
        try:
            within = self.catch_up_ms <= limits.catch_up_ms_max
        except ValueError as error:
            raise UsageError(f"--catch-up: {error}") from None
        if not within:
            raise UsageError(f"--catch-up is at most an hour, not {self.catch_up}")
        low, high = limits.checkpoint_replay_low, limits.checkpoint_replay_high
        if not low <= self.replay_max <= high:
            raise UsageError(f"--replay-max is {low:,} to {high:,} events, not {self.replay_max:,}")
        try:
            age_ms = self.journal_age_ms_max
        except ValueError as error:
            raise UsageError(f"--journal-age-max: {error}") from None
        if not limits.journal_age_ms_min <= age_ms <= limits.journal_age_ms_max:
            raise UsageError(f"--journal-age-max is 2s to 30d, not {self.journal_age_max}")
        if self.from_savepoint is not None and self.store == "none":
            raise UsageError("--from fills a directory that is kept: not with --durability none")
        if self.from_savepoint is not None and self.ray is not None:
            raise UsageError(
                "--from with --ray is not built yet: restore to one machine, without --ray"
            )
        if self.shard_resource and self.ray is None:
            raise UsageError("--shard-resource places shards in a Ray that is joined: add --ray")
        if not 0 <= self.shard_nodes <= limits.shards_max:
            raise UsageError(f"--shard-nodes is 0 to {limits.shards_max}, not {self.shard_nodes}")
        if self.shard_nodes and not self.shard_resource:
            raise UsageError("--shard-nodes counts nodes by what they offer: add --shard-resource")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key belong together")
        for flag, path in (
            ("--shared-key-file", self.shared_key_file),
            ("--tls-cert", self.tls_cert),
            ("--tls-key", self.tls_key),
            ("--write-key-file", self.write_key_file),
        ):
            if path is not None and not path.is_file():
                raise UsageError(f"{flag}: there is no file {path}")
        for network in self.webhook_allow:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise UsageError(f"--webhook-allow wants a network, not {network!r}") from None
        self._check_exposure()

    @property
    def store(self) -> Durability:
        """Where shards keep their state."""
        return cast("Durability", self.durability or "fsync")

    @property
    def is_spread(self) -> bool:
        """Do shards keep directories on other machines than this?"""
        return self.ray is not None and self.store != "none"

    @property
    def catch_up_ms(self) -> int:
        """How long the clock stands after a start; raises ValueError for what is no duration."""
        return parse_duration(self.catch_up)

    @property
    def journal_age_ms_max(self) -> int:
        """How old anything in a shard's files may be that is superseded; raises ValueError for what
        is no duration.
        """
        return parse_duration(self.journal_age_max)

    @property
    def spares_kept(self) -> int:
        """On each machine of shards: spares take over state."""
        return self.spares if self.store != "none" else 0

    @property
    def is_loopback(self) -> bool:
        """Do all client ports listen on loopback only?"""
        return all(is_loopback(host_port("", one)[0]) for one in (self.forward, self.http))

    def _check_exposure(self) -> None:
        """A client port beyond loopback needs a key or TLS."""
        forward_host, _ = host_port("--forward", self.forward)
        http_host, _ = host_port("--http", self.http)
        if self.is_insecure:
            return
        guarded = self.shared_key_file is not None or self.tls_cert is not None
        if not is_loopback(forward_host) and not guarded:
            raise UsageError(
                f"--forward {self.forward} is open to the network: add --shared-key-file or "
                "--tls-cert and --tls-key, or --insecure if the network is trusted"
            )
        if not is_loopback(http_host) and self.write_key_file is None:
            raise UsageError(
                f"--http {self.http} is open to the network: add --write-key-file, or --insecure "
                "if the network is trusted"
            )


def host_port(flag: str, address: str) -> tuple[str, int]:
    """HOST:PORT in two parts; IPv6 hosts stand in brackets."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{flag} wants HOST:PORT, not {address!r}")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Is it this machine alone?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def numbered(address: str, index: int) -> str:
    """The address of gateway `index`: the port given + index; any free port stays any."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + index if int(port) else 0}"
