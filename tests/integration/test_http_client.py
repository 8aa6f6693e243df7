"""The webhook's HTTP client against targets that say, byte for byte, what a test wants."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.integration.certificates import make_certificates

from augenblick import limits
from augenblick.binding.releases import pack
from augenblick.channels import Attempt, ChannelSettings
from augenblick.channels import webhook as webhook_module
from augenblick.channels.webhook import WebhookChannel
from augenblick.errors import DeliveryFailed

CLOSE = b"<close>"  # after this answer the target ends the connection
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Target:
    """Answers each request with the next script entry; the last one goes on for ever."""

    answers: list[bytes]
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer.removesuffix(CLOSE))
                if answer.endswith(CLOSE):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost += 1
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def target(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Target]:
    made = Target(list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await asyncio.sleep(0.01)


Make = Callable[[str], WebhookChannel]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Channels to URLs, closed in the end."""
    channels = []

    def make_one(url: str) -> WebhookChannel:
        settings = ChannelSettings(tmp_path, loopback_allowed=True)
        channels.append(WebhookChannel("a", {"webhook": url, "timeout": 2_000}, settings))
        return channels[-1]

    yield make_one
    for channel in channels:
        await channel.close()


async def deliver(make: Make, to: Target, count: int = 1, scheme: str = "http") -> None:
    channel = make(f"{scheme}://127.0.0.1:{to.port}/x?y=1")
    await channel.open()
    for number in range(count):
        await channel.deliver(Attempt(f"k{number}", pack({"n": number}), 1))


async def test_one_connection_carries_many_requests(make: Make) -> None:
    async with target(OK) as to:
        await deliver(make, to, 5)
    assert to.connections == 1
    assert to.requests[4].startswith(b"POST /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % to.port)
    assert to.requests[4].endswith(b'Content-Length: 7\r\n\r\n{"n":4}')


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end<close>",
    ],
)
async def test_a_connection_that_ends_is_not_used_again(answer: bytes, make: Make) -> None:
    async with target(answer) as to:
        await deliver(make, to, 3)
    assert to.connections == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
    ],
)
async def test_what_servers_send_is_read_to_its_end(answer: bytes, make: Make) -> None:
    async with target(answer) as to:
        await deliver(make, to, 3)
    assert to.connections == 1


async def test_more_than_one_answer_ends_the_connection(make: Make) -> None:
    async with target(OK + OK, OK) as to:
        await deliver(make, to, 2)
    assert to.connections == 2


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (limits.webhook_head_bytes_max + 9), "too long"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 20<close>", "closed"),
        (CLOSE, "closed"),
    ],
)
async def test_what_is_no_answer_may_be_tried_again(answer: bytes, text: str, make: Make) -> None:
    async with target(answer) as to:
        with pytest.raises(DeliveryFailed, match=text) as caught:
            await deliver(make, to)
    assert caught.value.retryable


async def test_an_endless_body_costs_one_connection(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "BODY_SECONDS", 0.05)
    async with target(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", OK) as to:
        await deliver(make, to, 2)
    assert to.connections == 2


async def test_a_connection_that_was_idle_for_long_is_left(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "webhook_idle_seconds_max", -1.0)
    async with target(OK) as to:
        await deliver(make, to, 2)
    assert to.connections == 2


async def test_an_id_cannot_add_a_header(make: Make) -> None:
    async with target(OK) as to:
        channel = make(f"http://127.0.0.1:{to.port}/")
        await channel.open()
        for key in ("k\r\nX: y", "k\n", "schlüssel"):
            with pytest.raises(DeliveryFailed) as caught:
                await channel.deliver(Attempt(key, pack({}), 1))
            assert not caught.value.retryable
    assert not to.requests


async def test_tls_trusts_known_authorities_only(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make_certificates(tmp_path)
    async with target(OK, tls=certificates.server_context()) as to:
        with pytest.raises(DeliveryFailed, match="CERTIFICATE") as caught:
            await deliver(make, to, scheme="https")
        assert caught.value.retryable
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
        await deliver(make, to, 2, scheme="https")
    assert len(to.requests) == 2
