"""What every channel promises, run over everything that is registered."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from augenblick import limits
from augenblick.binding.releases import pack
from augenblick.channels import CHANNELS, Attempt, Channel, ChannelSettings, make_channel
from augenblick.errors import AugenblickError, DeliveryFailed, PlanError, PluginError

NAMES = CHANNELS.names()
RECORD = {"kind": "firing", "id": "f1", "user": "u", "values": {"cart": ["ä", None, 1.5]}}


@pytest.fixture
async def webhook_url() -> AsyncIterator[str]:
    async def accept(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", accept)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    await runner.cleanup()


@pytest.fixture
def make(webhook_url: str, tmp_path: Path) -> Callable[[str], Channel]:
    """A working channel of each kind; a new channel adds what it needs here."""
    parameters: dict[str, dict[str, Any]] = {
        "file": {"file": "contract.ndjson"},
        "log": {"log": {}},
        "webhook": {"webhook": webhook_url},
    }
    settings = ChannelSettings(tmp_path, loopback_allowed=True)
    return lambda name: make_channel(name, "action", parameters[name], settings)


@pytest.mark.parametrize("name", NAMES)
async def test_it_accepts_many_records_at_once(name: str, make: Callable[[str], Channel]) -> None:
    channel = make(name)
    assert 1 <= channel.concurrency_max <= limits.delivery_concurrency_max
    await channel.open()
    attempts = [Attempt(f"k{n}", pack(RECORD), 1) for n in range(2 * channel.concurrency_max)]
    await asyncio.wait_for(asyncio.gather(*map(channel.deliver, attempts)), 20)
    assert 1 <= channel.records_max <= limits.delivery_together_max
    together = attempts[: channel.records_max]
    assert await asyncio.wait_for(channel.deliver_all(together), 20) == [None] * len(together)
    await channel.close()


@pytest.mark.parametrize("name", NAMES)
async def test_what_cannot_be_encoded_fails_for_good(
    name: str, make: Callable[[str], Channel]
) -> None:
    channel = make(name)
    await channel.open()
    with pytest.raises(DeliveryFailed) as caught:
        await channel.deliver(Attempt("k", pack({"value": b"raw"}), 1))
    assert not caught.value.retryable
    await channel.deliver(Attempt("k2", pack(RECORD), 1))
    bad, good = await channel.deliver_all(
        [Attempt("k3", pack({"value": b"raw"}), 1), Attempt("k4", pack(RECORD), 1)]
    )
    assert bad is not None
    assert not bad.retryable
    assert good is None
    await channel.close()


@pytest.mark.parametrize("name", NAMES)
async def test_closing_is_harmless_when_not_open_and_twice(
    name: str, make: Callable[[str], Channel]
) -> None:
    await make(name).close()
    channel = make(name)
    await channel.open()
    await channel.close()
    await channel.close()


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused_by_name(name: str, tmp_path: Path) -> None:
    parameters = {"file": "f", "webhook": "http://h.test/", "colour": "red"}
    known = CHANNELS.get(name).PARAMETERS
    given = {key: parameters[key] for key in (*(known & parameters.keys()), "colour")}
    with pytest.raises(PlanError, match="colour"):
        make_channel(name, "action", given, ChannelSettings(tmp_path))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["\0", 7, [1], {"colour": "red"}])
def test_a_wrong_first_parameter_is_refused_as_ours(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(AugenblickError):
        make_channel(name, "action", {name: value}, ChannelSettings(tmp_path))


def test_an_unknown_channel_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="file, log, webhook"):
        make_channel("pigeon", "action", {}, ChannelSettings(tmp_path))
