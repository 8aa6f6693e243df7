"""Processes are killed and stopped under load: nothing acknowledged is lost, nothing comes twice.

One round of each in the ordinary tests, twenty in the long ones.
"""

import contextlib
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.integration.kills.faults import (
    EACH,
    RAY,
    ROLES,
    Supervised,
    kill,
    kill_together,
    stop,
)
from tests.integration.kills.load import PLAN, Load, check
from tests.integration.serve_process import Receiver, Serve, free_port

ROUNDS = int(os.environ.get("AUGENBLICK_KILL_ROUNDS", "20"))


class Scene:
    """An engine under load, and what it sends out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.receiver = Receiver()
        self.plan = folder / "kills.yaml"
        self.plan.write_text(PLAN.replace("URL", self.receiver.url))
        self._ports = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.engine = Supervised(self._serve)
        self.load = Load(self._ports[0])

    def _serve(self) -> Serve:
        forward, http = self._ports
        flags = ("--clock", "event", "--forward", forward, "--http", http)
        return Serve(str(self.plan), self.folder / "data", *flags)

    def hurt(self, how: str, victim: str) -> None:
        """One fault under load; returns once everything is well again."""
        self.engine.wait_well()
        began = time.monotonic()
        (kill if how == "kill" else stop)(self.engine, victim)
        acked = self.load.wait_for_acks()
        print(f"{how} {victim}: {time.monotonic() - began:.1f} s, of it {acked:.1f} to the acks")

    def hurt_together(self, victims: Sequence[str]) -> None:
        """Several are killed at one instant, and one more half a second later."""
        self.engine.wait_well()
        *first, last = victims
        kill_together(self.engine, first)
        time.sleep(0.5)
        with contextlib.suppress(AssertionError, OSError, KeyError):  # it may be gone as well
            kill_together(self.engine, [last])
        acked = self.load.wait_for_acks()
        print(f"kill {', '.join(victims)}: {acked:.1f} s to the acks")

    def finish(self) -> None:
        """The load ends, and the history is checked."""
        self.load.finish()
        check(self.plan, self.load, self.receiver, self.folder)
        assert self.engine.serve.stop() == 0, self.engine.serve.text()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    try:
        made.load.start()
        made.load.wait_for_acks()
        yield made
    finally:
        made.engine.close()
        made.receiver.close()


@pytest.mark.timeout(240)
def test_each_process_is_killed_once(scene: Scene) -> None:
    for victim in (*ROLES, "all"):
        scene.hurt("kill", victim)
    scene.hurt("stop", "shard")
    scene.finish()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", [*ROLES, *RAY, "all"])
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_one_process_again_and_again(scene: Scene, how: str, victim: str) -> None:
    for _ in range(ROUNDS):
        scene.hurt(how, victim)
    scene.finish()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_several_at_once_again_and_again(scene: Scene) -> None:
    chosen = random.Random(1)
    for _ in range(ROUNDS):
        scene.hurt_together(chosen.sample(EACH, chosen.choice((2, 3, 4))))
    scene.finish()
