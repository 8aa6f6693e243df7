"""`augenblick demo`: what a newcomer sees first."""

import os
import re
import secrets
import subprocess

import pytest
from tests.integration.serve_process import COMMAND, our_processes

pytestmark = pytest.mark.timeout(240)


def test_the_demo_shows_firings_and_leaves_nothing() -> None:
    mark = f"AUGENBLICK_TEST_MARK={secrets.token_hex(8)}"
    name, _, value = mark.partition("=")
    done = subprocess.run(
        [*COMMAND, "demo"],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not our_processes(mark)
    text = done.stdout
    assert len(re.findall(r"^  2022-\S+ \S+  busy_clicker", text, re.MULTILINE)) == 29
    assert len(re.findall(r"^  2022-\S+ \S+  cart_left", text, re.MULTILINE)) == 10
    for line in (
        r"events in +31,968",
        r"busy_clicker +29",
        r"quick_order +4",
        r"dead letters +none",
        r"events/s +[\d,]+",
        r"event to firing +p50 [\d.]+ ms, p99 [\d.]+ ms",
    ):
        assert re.search(line, text), f"{line} is not in\n{text}"
