"""Webhooks over real sockets: what a target may do, and what comes of it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from tests.integration.delivery_parts import SECRET, delivering, receiving

from augenblick import limits
from augenblick.binding.releases import pack
from augenblick.channels import Attempt, ChannelSettings
from augenblick.channels import webhook as webhook_module
from augenblick.channels.webhook import WebhookChannel
from augenblick.errors import DeliveryFailed, PlanError, UsageError


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """Names that resolve as the test says; everything else as it does."""
    names: dict[str, list[str]] = {}
    really = socket.getaddrinfo

    def look_up(host: str, port: int, **wanted: object) -> list[object]:
        if host not in names:
            return list(really(host, port, **wanted))  # type: ignore[call-overload]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "",
             (address, port, 0, 0) if ":" in address else (address, port))
            for address in names[host]
        ]  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


async def test_a_signed_record_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    async with receiving() as target:
        action = {"webhook": f"{target.url}/a?b=c", "secret": "env:HOOK_SECRET"}
        async with delivering(tmp_path, hook=action) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1") == ["delivered"]
        ((path, headers, body),) = target.requests
    assert path == "/a"
    assert headers["webhook-id"] == headers["Idempotency-Key"] == "f1"
    assert headers["Content-Type"] == "application/json"
    assert Webhook(SECRET).verify(body, headers)["id"] == "f1"
    assert json.loads(body)["user"] == "grün"
    tampered = body.replace(b"f1", b"f2")
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(tampered, headers)


async def test_a_target_that_fails_and_heals_gets_each_record_once_accepted(
    tmp_path: Path,
) -> None:
    failures = {"f1": 2, "f2": 1}

    async def answer(request: web.Request) -> web.Response:
        key = request.headers["webhook-id"]
        failures[key] -= 1
        return web.Response(status=503 if failures[key] >= 0 else 200)

    async with receiving() as target:
        target.answers["/"] = answer
        async with delivering(tmp_path, hook={"webhook": f"{target.url}/"}) as out:
            out.send("f1", "f2", to=["hook"])
            assert await out.until("f1", "f2") == ["delivered", "delivered"]
            status = out.runner.status()["actions"]["hook"]
        assert sorted(target.keys("/")) == ["f1", "f1", "f1", "f2", "f2"]
    assert (status["delivered"], status["failed_attempts"], status["retried"]) == (2, 3, 3)
    assert status["last_error"] == "HTTP 503 Service Unavailable"


async def test_retry_after_is_honoured(tmp_path: Path) -> None:
    times: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response()

    async with receiving() as target:
        target.answers["/"] = answer
        async with delivering(tmp_path, hook={"webhook": f"{target.url}/"}) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1") == ["delivered"]
    assert times[1] - times[0] >= 0.99


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int, tmp_path: Path) -> None:
    async with receiving() as target:

        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{target.url}/elsewhere"})

        target.answers["/"] = answer
        async with delivering(tmp_path, hook={"webhook": f"{target.url}/"}) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1") == ["dead_letter"]
            (letter,) = out.letters()
        assert [path for path, _, _ in target.requests] == ["/"]
    assert (letter["reason"], letter["attempts"]) == ("action_refused", 1)
    assert "redirects are not followed" in letter["detail"]


async def test_a_slow_target_delays_no_other_and_its_concurrency_is_bounded(
    tmp_path: Path,
) -> None:
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with receiving() as target:
        target.answers["/slow"] = slow
        actions = {name: {"webhook": f"{target.url}/{name}"} for name in ("slow", "quick")}
        async with delivering(tmp_path, **actions) as out:
            slow_keys = [f"s{n}" for n in range(60)]
            quick_keys = [f"q{n}" for n in range(60)]
            out.send(*slow_keys, to=["slow"])
            out.send(*quick_keys, to=["quick"])
            await out.until(*quick_keys)
            assert not set(slow_keys) & set(out.outcomes)
            release.set()
            assert set(await out.until(*slow_keys)) == {"delivered"}
        assert target.open_max["/slow"] == WebhookChannel.concurrency_max


async def test_a_target_that_never_answers_is_given_up_and_tried_again(tmp_path: Path) -> None:
    calls: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(request.headers["webhook-id"])
        if len(calls) == 1:
            await asyncio.sleep(30)
        return web.Response()

    async with receiving() as target:
        target.answers["/"] = answer
        action = {"webhook": f"{target.url}/", "timeout": 1_000}
        async with delivering(tmp_path, hook=action) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1") == ["delivered"]
            assert out.runner.status()["actions"]["hook"]["last_error"] == "no answer within 1 s"
    assert calls == ["f1", "f1"]


async def test_a_huge_or_endless_answer_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_bytes = 0

    async def huge(request: web.Request) -> web.StreamResponse:
        nonlocal sent_bytes
        response = web.StreamResponse()
        await response.prepare(request)
        while sent_bytes < 1_000_000_000:
            await response.write(b"x" * 65_536)
            sent_bytes += 65_536
        return response

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    monkeypatch.setattr(webhook_module, "BODY_SECONDS", 0.2)
    async with receiving() as target:
        target.answers = {"/huge": huge, "/drip": drip}
        actions = {name: {"webhook": f"{target.url}/{name}"} for name in ("huge", "drip")}
        async with delivering(tmp_path, **actions) as out:
            out.send("f1", to=["huge", "drip"])
            assert await out.until("f1") == ["delivered"]
    assert sent_bytes < limits.webhook_body_bytes_max + 50_000_000  # what socket buffers hold


async def test_garbage_and_a_closed_port_are_retryable(tmp_path: Path) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\xffnot http at all\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = WebhookChannel(
        "a",
        {"webhook": f"http://127.0.0.1:{port}/"},
        ChannelSettings(tmp_path, loopback_allowed=True),
    )
    await channel.open()
    for _ in range(2):
        with pytest.raises(DeliveryFailed) as caught:
            await channel.deliver(Attempt("k", pack({}), 1))
        assert caught.value.retryable
        server.close()
        await server.wait_closed()
    await channel.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"]
)
async def test_this_machine_is_refused_unless_allowed(host: str, tmp_path: Path) -> None:
    async with receiving() as target:
        port = target.url.rpartition(":")[2]
        action = {"webhook": f"http://{host}:{port}/"}
        async with delivering(tmp_path, allow=False, hook=action) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1") == ["dead_letter"]
            (letter,) = out.letters()
        assert not target.requests
    assert letter["reason"] == "action_refused"
    assert "address refused" in letter["detail"]


async def test_the_address_is_checked_after_resolving(
    tmp_path: Path, resolver: dict[str, list[str]]
) -> None:
    resolver["inside.test"] = ["10.0.0.1", "fd00::1", "169.254.169.254"]
    channel = WebhookChannel(
        "a", {"webhook": "http://inside.test/"}, ChannelSettings(tmp_path, loopback_allowed=True)
    )
    await channel.open()
    with pytest.raises(DeliveryFailed, match="is not public") as caught:
        await channel.deliver(Attempt("k", pack({}), 1))
    assert not caught.value.retryable
    await channel.close()


async def test_only_allowed_addresses_of_a_name_are_connected_to(
    tmp_path: Path, resolver: dict[str, list[str]]
) -> None:
    async with receiving() as target:
        port = target.url.rpartition(":")[2]
        resolver["mixed.test"] = ["10.0.0.1", "127.0.0.1"]
        action = {"webhook": f"http://mixed.test:{port}/", "timeout": 2_000}
        async with delivering(tmp_path, hook=action) as out:
            out.send("f1", to=["hook"])
            assert await out.until("f1", seconds=5) == ["delivered"]
        assert target.requests[0][1]["Host"] == f"mixed.test:{port}"


async def test_the_operators_networks_are_allowed(tmp_path: Path) -> None:
    async with receiving() as target:
        settings = ChannelSettings(tmp_path, webhook_allow=("127.0.0.0/8",))
        channel = WebhookChannel("a", {"webhook": f"{target.url}/"}, settings)
        await channel.open()
        await channel.deliver(Attempt("k", pack({}), 1))
        await channel.close()


async def test_no_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with (
        receiving() as target,
        delivering(tmp_path, hook={"webhook": f"{target.url}/"}) as out,
    ):
        out.send("f1", to=["hook"])
        assert await out.until("f1") == ["delivered"]


@pytest.mark.parametrize(
    "url",
    ["ftp://h.test/", "h.test", "http://", "http://u:p@h.test/", "http://[::1", 7, "//h.test"],
)
def test_an_address_that_cannot_be_meant_is_refused(url: object, tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        WebhookChannel("a", {"webhook": url}, ChannelSettings(tmp_path))


@pytest.mark.parametrize("timeout", [0, -1, 10**9, "10s", 1.5])
def test_a_timeout_has_bounds(timeout: object, tmp_path: Path) -> None:
    parameters = {"webhook": "http://h.test/", "timeout": timeout}
    with pytest.raises(PlanError, match="timeout"):
        WebhookChannel("a", parameters, ChannelSettings(tmp_path))


def test_a_secret_that_is_not_listed_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    parameters = {"webhook": "http://h.test/", "secret": "env:HOOK_SECRET"}
    with pytest.raises(UsageError, match="--secrets"):
        WebhookChannel("a", parameters, ChannelSettings(tmp_path))
