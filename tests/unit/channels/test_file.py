"""The file channel: whole lines, in order, where they may lie."""

import asyncio
import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

import msgpack
import pytest

from augenblick.binding.releases import pack
from augenblick.channels import Attempt, ChannelSettings
from augenblick.channels.file import FileChannel
from augenblick.errors import DeliveryFailed, PlanError, UsageError


def channel(tmp_path: Path, path: str = "f.ndjson", **allowed: Any) -> FileChannel:
    return FileChannel("a", {"file": path}, ChannelSettings(tmp_path, **allowed))


async def deliver(out: FileChannel, *numbers: int) -> None:
    attempts = [Attempt(str(n), pack({"n": n, "text": "grün\n"}), 1) for n in numbers]
    await asyncio.gather(*map(out.deliver, attempts))


def lines(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


async def test_records_are_appended_in_order_as_one_line_each(tmp_path: Path) -> None:
    out = channel(tmp_path, "deep/er/f.ndjson")
    await out.open()
    await deliver(out, *range(100))
    await deliver(out, 100)
    await out.close()
    path = tmp_path / "out/deep/er/f.ndjson"
    assert lines(path) == list(range(101))
    assert path.stat().st_mode & 0o777 == 0o600


async def test_an_existing_file_goes_on_after_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "out/f.ndjson"
    path.parent.mkdir()
    path.write_bytes(b'{"n":0}\n{"n":')
    out = channel(tmp_path)
    await out.open()
    await deliver(out, 1)
    await out.close()
    assert path.read_bytes().startswith(b'{"n":0}\n{"n":\n{"n":1,')


async def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    out = channel(tmp_path)
    path = tmp_path / "out/f.ndjson"
    await out.open()
    await deliver(out, 1)
    path.rename(path.with_suffix(".1"))
    await deliver(out, 2)
    await out.close()
    assert lines(path.with_suffix(".1")) == [1]
    assert lines(path) == [2]


async def test_two_actions_may_share_a_file(tmp_path: Path) -> None:
    one, two = channel(tmp_path), channel(tmp_path)
    await asyncio.gather(one.open(), two.open())
    await asyncio.gather(*(deliver(out, *range(200)) for out in (one, two)))
    await asyncio.gather(one.close(), two.close())
    assert sorted(lines(tmp_path / "out/f.ndjson")) == sorted([*range(200)] * 2)


async def test_a_full_disk_leaves_whole_lines_and_can_heal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = channel(tmp_path)
    await out.open()
    await deliver(out, 1)
    really = os.write
    calls: list[int] = []

    def half_then_full(descriptor: int, data: Any) -> int:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(descriptor, bytes(data)[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_full)
        with pytest.raises(DeliveryFailed, match="No space left") as caught:
            await deliver(out, 2)
    assert caught.value.retryable
    assert len(calls) == 2
    await deliver(out, 3)
    await out.close()
    assert lines(tmp_path / "out/f.ndjson") == [1, 3]


async def test_half_a_line_that_cannot_be_taken_back_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = channel(tmp_path), channel(tmp_path)
    await asyncio.gather(out.open(), other.open())
    await deliver(other, 0)
    await deliver(out, 1)
    really = os.write
    calls: list[int] = []

    def half_then_gone(descriptor: int, data: Any) -> int:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(descriptor, bytes(data)[: len(data) // 2])

    def refuses(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_gone)
        patch.setattr(os, "ftruncate", refuses)
        records = [Attempt(str(n), pack({"n": n}), 1) for n in range(2, 8)]
        outcomes = await out.deliver_all(records)
    assert all(outcome is not None and outcome.retryable for outcome in outcomes)
    await deliver(other, 8)  # not glued to the half line, though another action left it
    assert await out.deliver_all(records) == [None] * 6
    await asyncio.gather(out.close(), other.close())
    found = []
    for line in (tmp_path / "out/f.ndjson").read_text().splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line)["n"])
    assert found[:2] == [0, 1]
    assert found[-7:] == [8, *range(2, 8)]


@pytest.mark.parametrize("path", ["../f", "a/../../f", "/etc/cron.d/f", "..", ".", "../outside/f"])
def test_a_path_has_to_stay_below(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not lie below"):
        channel(tmp_path, path)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path)
    with pytest.raises(UsageError):
        channel(tmp_path, "link/f")


async def test_the_operator_adds_directories(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    out = channel(tmp_path / "data", str(allowed / "f"), file_allow=(allowed,))
    await out.open()
    await deliver(out, 1)
    await out.close()
    assert lines(allowed / "f") == [1]


async def test_what_is_no_regular_file_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out/f.ndjson")
    out = channel(tmp_path)
    await out.open()
    with pytest.raises(DeliveryFailed):
        await deliver(out, 1)
    await out.close()


@pytest.mark.parametrize("parameters", [{}, {"file": ""}, {"file": 3}, {"file": "a\0b"}])
def test_a_path_is_needed(parameters: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        FileChannel("a", parameters, ChannelSettings(tmp_path))


@pytest.mark.parametrize(
    "value",
    [float("nan"), {"a": [1, -float("inf")]}, b"bytes", {b"k": 3}, msgpack.ExtType(1, b"x")],
)
async def test_a_record_that_json_cannot_hold_is_refused_for_good(
    value: Any, tmp_path: Path
) -> None:
    out = channel(tmp_path)
    await out.open()
    with pytest.raises(DeliveryFailed) as caught:
        await out.deliver(Attempt("k", msgpack.packb({"value": value}), 1))
    assert not caught.value.retryable
    await out.close()


async def test_a_line_says_what_the_record_says(tmp_path: Path) -> None:
    record = {"a": [1.5, -0.0, 1e300, None, True, "ä\n\u2028"], "b": {"1": 2**64 - 1}, "c": {3: 4}}
    out = channel(tmp_path)
    await out.open()
    await out.deliver(Attempt("k", pack(record), 1))
    await out.close()
    (line,) = (tmp_path / "out/f.ndjson").read_bytes().splitlines()
    assert json.loads(line) == record | {"c": {"3": 4}}
    assert line.startswith(b'{"a":[1.5,')
