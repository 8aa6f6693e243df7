"""Ports are tried before anything is started."""

import socket
import threading
import time

import pytest

from augenblick.errors import UsageError
from augenblick.runtime.ports import settle


def test_any_port_becomes_a_free_one():
    host, _, port = settle("--http", "127.0.0.1:0").rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0


def test_a_port_in_use_is_refused_by_its_flag():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"--forward {address} cannot be used"):
            settle("--forward", address)


def test_a_port_that_is_given_up_in_time_is_waited_for():
    server = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{server.getsockname()[1]}"

    def give_up() -> None:
        time.sleep(0.3)
        server.close()

    thread = threading.Thread(target=give_up)
    thread.start()
    assert settle("--forward", address, 30.0) == address
    thread.join()
