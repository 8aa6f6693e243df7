"""The load generator against a server of a few lines: instants, windows, a server that goes."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgpack
import pytest

from augenblick import EngineUnavailable
from augenblick_bench.harness.frames import frame
from augenblick_bench.harness.load import LoadGenerator

FRAMES = [frame(number, b"", 0) for number in range(20)]


@contextmanager
def server(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """Serves each connection on a thread: every whole frame's answer, None closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        unpacker = msgpack.Unpacker()
        with client:
            while data := client.recv(4096):
                unpacker.feed(data)
                for found in unpacker:
                    if (reply := answer(found[2]["chunk"])) is None:
                        return
                    client.sendall(reply)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def ack(chunk: str) -> bytes:
    packed: bytes = msgpack.packb({"ack": chunk})
    return packed


@pytest.mark.parametrize("connections", [1, 3])
def test_open_loop_keeps_its_instants(connections: int) -> None:
    with server(ack) as address:
        generator = LoadGenerator(address, connections)
        start_s = time.monotonic() + 0.02
        sent = generator.open_loop(FRAMES, start_s, 0.005)
        generator.close()
    assert sent.due_s == pytest.approx([start_s + 0.005 * at for at in range(20)])
    assert (sent.acked_s >= sent.due_s).all()
    assert sent.seconds >= 0.095


def test_a_slow_answer_counts_from_the_instant_the_frame_was_due() -> None:
    def slowly(chunk: str) -> bytes:
        if int(chunk, 16) == 5:
            time.sleep(0.1)
        return ack(chunk)

    with server(slowly) as address:
        generator = LoadGenerator(address)
        latencies = generator.open_loop(FRAMES, time.monotonic(), 0.001).ack_ms()
        generator.close()
    assert latencies[5] >= 100
    assert latencies[10] >= 90  # it waited behind the slow one


def test_closed_loop_bounds_what_is_unacknowledged() -> None:
    held: list[str] = []
    most = 0

    def in_threes(chunk: str) -> bytes:
        nonlocal most
        held.append(chunk)
        most = max(most, len(held))
        if len(held) < 3 and int(chunk, 16) != len(FRAMES) - 1:
            return b""
        answers = b"".join(map(ack, held))
        held.clear()
        return answers

    with server(in_threes) as address:
        generator = LoadGenerator(address)
        sent = generator.closed_loop(FRAMES, unacked_max=3)
        generator.close()
    assert most == 3
    assert (sent.ack_ms() >= 0).all()


def test_frame_numbers_go_on_from_run_to_run() -> None:
    with server(ack) as address:
        generator = LoadGenerator(address)
        generator.closed_loop(FRAMES[:8])
        assert (generator.closed_loop(FRAMES[8:]).acked_s > 0).all()
        generator.close()


def test_a_server_that_goes_away_is_an_error() -> None:
    with server(lambda chunk: None) as address:
        generator = LoadGenerator(address)
        with pytest.raises((EngineUnavailable, ConnectionError)):
            generator.closed_loop(FRAMES)
        generator.close()
