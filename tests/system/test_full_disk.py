"""A real engine on a real file system that gets full: a tmpfs of its own, which needs root."""

import contextlib
import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.serve_process import Serve, serving

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PLAN = """
plan: full
time: {lateness: 0ms, idle: 200ms}
features: {views: {count: view, over: lifetime}}
triggers: {tenth: {event: view, when: views == 10, then: note}}
actions: {note: {log: {}}}
"""
MIB = 1024 * 1024
DISK_bytes = 150 * MIB  # two segments of the journal and something beside
TEXT_bytes = 200_000
EVENTS_per_post = 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The directory of the only shard of DATA is a file system of its own."""
    shard = tmp_path / "data" / "shard-0"
    shard.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_bytes},mode=0700", "tmpfs", str(shard)]
    subprocess.run(mount, check=True)
    try:
        yield shard
    finally:
        subprocess.run(["umount", "--lazy", str(shard)], check=True)


def _views(user: str) -> list[dict[str, Any]]:
    view = {"user": user, "event": "view", "props": {"text": "x" * TEXT_bytes}}
    return [view] * EVENTS_per_post


def _storage(shop: Serve) -> dict[str, Any]:
    found: dict[str, Any] = shop.ask("/v1/status")["shards"]["shard-0"]["storage"]
    return found


def test_a_full_disk_stops_the_acks_and_room_lets_them_go_on(
    tmp_path: Path, small_disk: Path
) -> None:
    plan = tmp_path / "full.yaml"
    plan.write_text(PLAN)
    ballast = small_disk / "ballast"
    acked = 0
    with serving(str(plan), tmp_path / "data", "--shards", "1") as shop:
        ballast.write_bytes(bytes(DISK_bytes - 64 * MIB - 8 * MIB))
        with contextlib.suppress(urllib.error.URLError, TimeoutError):
            while acked < 2000:
                acked += shop.post(_views(f"user-{acked}"))["accepted"]
        assert 100 < acked < 2000  # a segment was filled, and no second one could be made
        shop.wait_for(lambda: _storage(shop)["is_full"])
        assert _storage(shop)["waiting_bytes"] > 0
        assert shop.ask("/v1/status")["shards"]["shard-0"]["up"]
        ballast.unlink()
        shop.wait_for(lambda: not _storage(shop)["is_full"])
        shop.wait_for(lambda: shop.post(_views("late"))["accepted"] == EVENTS_per_post)
        counters = shop.wait_for(lambda: shop.ask("/v1/status")["counters"])
        assert counters["events"] >= acked + EVENTS_per_post
        assert shop.stop() == 0, shop.text()
