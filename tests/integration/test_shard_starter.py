"""Shards on a real Ray: one that it cannot place is asked for again among the nodes that answer."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)


def test_a_shard_whose_node_ray_does_not_know_is_asked_for_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.start_shards", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].split() == ["shard-0-1", "shard-1-2"]
