import socket
import time

import pytest

from augenblick import limits
from augenblick.actors.nodes import Node, answering


def test_only_nodes_whose_port_takes_a_connection_answer_in_order_of_address() -> None:
    with (
        socket.create_server(("127.0.0.3", 0)) as second,
        socket.create_server(("127.0.0.2", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as closed,
    ):
        nodes = [Node(*one.getsockname(), "id") for one in (second, closed, first)]
        closed.close()
        assert answering(nodes) == [nodes[2], nodes[0]]
    assert answering([]) == []


def test_nodes_that_say_nothing_are_waited_for_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "node_answer_seconds_max", 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # nobody accepts them: further packets to the port are dropped
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        begun = time.monotonic()
        assert answering([Node(*full.getsockname(), str(number)) for number in range(16)]) == []
        assert 0.9 < time.monotonic() - begun < 8
        for one in waiting:
            one.close()
