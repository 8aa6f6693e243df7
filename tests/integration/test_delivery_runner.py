"""The delivery runner as its actor uses it: real loop, real disk, real sockets."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.integration.delivery_parts import Delivering, delivering, program, receiving

from augenblick.actors.delivery_runner import DeliveryRunner
from augenblick.channels import ChannelSettings
from augenblick.errors import PluginError, StorageError


async def get(out: Delivering, path: str, query: str = "") -> dict[str, Any]:
    status, content_type, body = await out.runner.handle_request("GET", path, query, b"")
    assert (status, content_type) == (200, "application/json")
    found: dict[str, Any] = json.loads(body)
    return found


async def retry(out: Delivering, body: Any) -> tuple[int, dict[str, Any]]:
    status, _, answer = await out.runner.handle_request(
        "POST", "/v1/dead-letters/retry", "", json.dumps(body).encode()
    )
    return status, json.loads(answer)


async def test_one_record_leaves_through_several_actions(tmp_path: Path) -> None:
    async with (
        receiving() as target,
        delivering(
            tmp_path,
            hook={"webhook": f"{target.url}/"},
            audit={"file": "f.ndjson"},
            log={"log": {}},
        ) as out,
    ):
        keys = [f"f{n}" for n in range(300)]
        out.send(*keys, to=["hook", "audit", "log"])
        assert set(await out.until(*keys)) == {"delivered"}
        assert sorted(target.keys("/")) == sorted(keys)
        status = out.runner.status()
    lines = (tmp_path / "out/f.ndjson").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == keys
    assert status["actions"]["audit"]["delivered"] == 300
    assert status["triggers"] == {"t": {"firings": 300, "shadow": 0}}


async def test_a_dead_letter_can_be_listed_and_delivered_again(tmp_path: Path) -> None:
    healthy = False

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=200 if healthy else 410)

    async with receiving() as target:
        target.answers["/"] = answer
        async with delivering(tmp_path, hook={"webhook": f"{target.url}/"}) as out:
            out.send("f1", "f2", to=["hook"])
            await out.until("f1", "f2")
            refused = {"kind": "dead_letter", "id": "e1", "reason": "no_user", "event": {}}
            out.runner.on_dead_letters("gateway-0", 8, [refused])
            await _until(lambda: out.letters_done == [8])
            listed = (await get(out, "/v1/dead-letters"))["dead_letters"]
            assert [letter["reason"] for letter in listed] == ["no_user"] + ["action_refused"] * 2
            some = await get(out, "/v1/dead-letters", "reason=action_refused&limit=1")
            assert [letter["firing"]["id"] for letter in some["dead_letters"]] == ["f2"]

            healthy = True
            assert await retry(out, {"ids": [listed[1]["id"], "e1", "x"]}) == (
                200,
                {
                    "retried": 1,
                    "refused": {
                        "e1": "is a refused event; only actions can be delivered again",
                        "x": "no such dead letter",
                    },
                },
            )
            await _until(lambda: len(out.letters()) == 2)
            assert (await retry(out, {"all": True, "reason": "action_refused"}))[1]["retried"] == 1
            await _until(lambda: [letter["id"] for letter in out.letters()] == ["e1"])
        assert target.keys("/") == ["f1", "f2", "f2", "f1"]


async def test_dead_letters_outlive_the_process(tmp_path: Path) -> None:
    async with receiving() as target:
        hook = {"webhook": f"{target.url}/"}
        async with delivering(tmp_path, hook=hook, allow=False) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1") == ["dead_letter"]
        async with delivering(tmp_path, hook=hook) as out:
            assert (await retry(out, {"all": True}))[1]["retried"] == 1
            await _until(lambda: not out.letters())
        assert target.keys("/") == ["f1"]


async def test_a_disk_that_fails_is_counted_and_reported_and_delivery_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as target:
        actions = {"hook": {"webhook": f"{target.url}/"}, "gone": {"webhook": "http://10.0.0.1/"}}
        async with delivering(tmp_path, **actions) as out:

            def full(letters: Any) -> None:
                raise StorageError("dead-letters: No space left on device")

            with monkeypatch.context() as patch:
                patch.setattr(out.runner.store, "append", full)
                out.send("f1", to=["gone"])
                assert await out.until("f1") == ["lost"]
                letters = out.runner.status()["dead_letters"]
                assert letters["lost"] == 1
                assert "No space left" in letters["error"]
            out.send("f2", to=["hook"])
            out.send("f3", to=["gone"])
            assert await out.until("f2", "f3") == ["delivered", "dead_letter"]
            assert out.runner.status()["dead_letters"]["error"] is None


async def test_tail_waits_for_the_next_record(tmp_path: Path) -> None:
    async with delivering(tmp_path) as out:
        out.send("f1", "f2", to=[])
        first = await get(out, "/v1/tail", "kind=firing&limit=1")
        assert [found["record"]["id"] for found in first["records"]] == ["f1"]
        assert first["last"] == 1
        rest = await get(out, "/v1/tail", f"after={first['last']}")
        assert [found["number"] for found in rest["records"]] == [2]
        assert await get(out, "/v1/tail", "limit=0") == {
            "records": [], "last": 2, "missed": False
        }  # fmt: skip

        waiting = asyncio.create_task(get(out, "/v1/tail", "after=2&wait=20&kind=firing"))
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        assert not waiting.done()
        out.runner.on_dead_letters("g", 1, [{"kind": "dead_letter", "id": "x"}])
        out.send("f3", to=[])
        found = await waiting
        assert time.monotonic() - begun < 15
        assert [entry["record"]["id"] for entry in found["records"]] == ["f3"]
        empty = await get(out, "/v1/tail", "after=4&wait=1")
        assert empty == {"records": [], "last": 4, "missed": False}


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "expected"),
    [
        ("GET", "/v1/tail", "after=-1", b"", 400),
        ("GET", "/v1/tail", "after=99999999999999999999", b"", 400),
        ("GET", "/v1/dead-letters", "limit=many", b"", 400),
        ("GET", "/v1/tail", "a=1&" * 40, b"", 400),
        ("POST", "/v1/tail", "", b"", 405),
        ("GET", "/v1/dead-letters/retry", "", b"", 405),
        ("GET", "/v1/other", "", b"", 404),
        ("POST", "/v1/dead-letters/retry", "", b"", 400),
        ("POST", "/v1/dead-letters/retry", "", b"\xff", 400),
        ("POST", "/v1/dead-letters/retry", "", b"{}", 400),
        ("POST", "/v1/dead-letters/retry", "", b'{"all": 1}', 400),
        ("POST", "/v1/dead-letters/retry", "", b'{"ids": "x"}', 400),
        ("POST", "/v1/dead-letters/retry", "", b'{"ids": [1]}', 400),
        ("POST", "/v1/dead-letters/retry", "", b'{"ids": [], "all": true}', 400),
        ("POST", "/v1/dead-letters/retry", "", b'{"all": true, "why": 1}', 400),
    ],
)
async def test_a_wrong_request_is_answered_with_its_error(
    method: str, path: str, query: str, body: bytes, expected: int, tmp_path: Path
) -> None:
    async with delivering(tmp_path) as out:
        status, _, answer = await out.runner.handle_request(method, path, query, body)
    assert status == expected
    assert json.loads(answer)["error"]


async def test_stopping_drains_then_gives_up_what_is_left(tmp_path: Path) -> None:
    async def never(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def slowly(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    async with receiving() as target:
        target.answers = {"/never": never, "/slow": slowly}
        actions = {name: {"webhook": f"{target.url}/{name}"} for name in ("never", "slow")}
        async with delivering(tmp_path, drain_seconds=3.0, **actions) as out:
            out.send("f1", to=["slow"])
            out.send("f2", to=["never"])
            begun = time.monotonic()
        assert 2.9 < time.monotonic() - begun < 30
    assert out.outcomes == {"f1": "delivered", "f2": "dead_letter"}
    assert [letter["reason"] for letter in out.letters()] == ["engine_stopped"]


async def test_stopping_with_nothing_left_takes_no_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    async with delivering(tmp_path, drain_seconds=30, log={"log": {}}) as out:
        out.send("f1", to=["log"])
    assert out.outcomes == {"f1": "delivered"}
    assert time.monotonic() - begun < 25


async def test_a_channel_that_breaks_or_hangs_fails_its_own_attempts_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("augenblick.limits.delivery_attempt_seconds_max", 0.1)
    async with delivering(tmp_path, broken={"log": {}}, hung={"log": {}}, fine={"log": {}}) as out:

        async def breaks(attempts: Any) -> Any:
            raise KeyError("a bug")

        async def hangs(attempts: Any) -> Any:
            await asyncio.sleep(60)

        out.runner._channels["broken"].deliver_all = breaks  # type: ignore[method-assign]
        out.runner._channels["hung"].deliver_all = hangs  # type: ignore[method-assign]
        out.send("f1", to=["broken", "hung"])
        out.send("f2", to=["fine"])
        assert await out.until("f2") == ["delivered"]
        await _until(
            lambda: all(
                out.runner.status()["actions"][name]["failed_attempts"]
                for name in ("broken", "hung")
            )
        )
        actions = out.runner.status()["actions"]
        assert "KeyError" in actions["broken"]["last_error"]
        assert "did not end" in actions["hung"]["last_error"]
    assert "channel of action broken failed" in caplog.text


async def test_messages_that_come_close_together_leave_as_one_write(tmp_path: Path) -> None:
    async with delivering(tmp_path, drain_seconds=5, audit={"file": "f.ndjson"}) as out:
        writes: list[bytes] = []
        channel: Any = out.runner._channels["audit"]
        append = channel._append
        channel._writer._write = lambda lines: (writes.append(lines), append(lines))
        out.send_packed("first", to=["audit"])
        assert not out.runner._held  # nothing began before: no reason to wait
        for number in range(30):
            out.send_packed(f"f{number}", to=["audit"])
        assert out.runner._held
        assert set(await out.until(*(f"f{number}" for number in range(30)))) == {"delivered"}
        assert len(writes) <= 4
        out.send_packed("g0", to=["audit"])
        out.send_packed("g1", to=["audit"])
    assert out.outcomes["g1"] == "delivered"  # what is held back is delivered before the end
    keys = [json.loads(line)["id"] for line in (tmp_path / "out/f.ndjson").read_text().splitlines()]
    assert keys == ["first", *(f"f{number}" for number in range(30)), "g0", "g1"]


async def test_what_a_lost_sender_had_sent_is_delivered(tmp_path: Path) -> None:
    async with delivering(tmp_path, drain_seconds=5, audit={"file": "f.ndjson"}) as out:
        out.send_packed("f1", to=["audit"])
        out.send_packed("f2", to=["audit"])
        out.runner.on_peer_lost("shard-0")
    assert len((tmp_path / "out/f.ndjson").read_text().splitlines()) == 2
    assert not out.outcomes


async def test_an_unknown_channel_stops_the_start(tmp_path: Path) -> None:
    runner = DeliveryRunner(lambda effect: None)
    with pytest.raises(PluginError, match="known: file, log, webhook"):
        await runner.start(program(a={"pigeon": "x"}), ChannelSettings(tmp_path))


async def _until(is_so: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
