from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augenblick.config.serve import ServeOptions, host_port, numbered
from augenblick.errors import UsageError

PLAIN = ServeOptions(plan="p.yaml", data=Path("d"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shards": 0}, "--shards is 1 to"),
        ({"gateways": 65}, "--gateways is 1 to"),
        ({"shard_resource": "s"}, "add --ray"),
        ({"ray": "h:1", "shard_nodes": 2}, "add --shard-resource"),
        ({"ray": "h:1", "shard_resource": "s", "shard_nodes": -1}, "--shard-nodes is 0 to"),
        ({"ray": "h:1", "from_savepoint": "/s"}, "--from with --ray is not built"),
        ({"spares": 2}, "--spares is 0 or 1"),
        ({"clock": "sun"}, "--clock is wall or event"),
        ({"tls_cert": Path("x")}, "belong together"),
        ({"shared_key_file": Path("/nothing")}, "there is no file"),
        ({"webhook_allow": ("10.0.0.0/8", "ten")}, "wants a network, not 'ten'"),
        ({"forward": "24224"}, "--forward wants HOST:PORT"),
        ({"http": "here:99999"}, "--http wants HOST:PORT"),
        ({"forward": "0.0.0.0:24224"}, "add --shared-key-file"),
        ({"http": "10.0.0.1:8080"}, "add --write-key-file"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        replace(PLAIN, **changes).check()


def test_a_spare_is_for_state_that_is_kept() -> None:
    assert PLAIN.spares_kept == 1
    assert replace(PLAIN, spares=0).spares_kept == 0
    assert replace(PLAIN, durability="none").spares_kept == 0
    assert replace(PLAIN, ray="h:1").spares_kept == 1
    assert replace(PLAIN, ray="h:1").store == "fsync"
    assert replace(PLAIN, ray="h:1").is_spread
    assert not replace(PLAIN, ray="h:1", durability="none").is_spread


def test_open_ports_need_a_key_or_the_word_insecure(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k")
    PLAIN.check()
    replace(PLAIN, forward="[::1]:1", http="localhost:2").check()
    outside = replace(PLAIN, forward="0.0.0.0:1", http="0.0.0.0:2")
    replace(outside, shared_key_file=key, write_key_file=key).check()
    replace(outside, is_insecure=True).check()
    assert PLAIN.is_loopback
    assert not outside.is_loopback


def test_gateways_count_up_from_the_port() -> None:
    assert numbered("127.0.0.1:24224", 2) == "127.0.0.1:24226"
    assert numbered("127.0.0.1:0", 2) == "127.0.0.1:0"
    assert host_port("--http", "[::1]:80") == ("::1", 80)
