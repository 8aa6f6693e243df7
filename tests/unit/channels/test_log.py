"""The log channel: one line on standard output."""

import json
from pathlib import Path

import pytest

from augenblick.binding.releases import pack
from augenblick.channels import Attempt, ChannelSettings
from augenblick.channels.log import LogChannel


async def test_one_line_per_record(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = LogChannel("a", {}, ChannelSettings(tmp_path))
    await out.open()
    for number in range(3):
        await out.deliver(Attempt(str(number), pack({"n": number, "text": "a\nb"}), 1))
    await out.close()
    printed = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["n"] for line in printed] == [0, 1, 2]
