"""Redis with functions in Lua, one call for each event, pipelined by a thousand; no persistence.

A server of its own on a Unix socket in a temporary folder. It keeps state and closes nothing by
itself: sessions, windows and carts are counted from the keys after the clock is stopped, which
favours it. CPU is the server's and the client's.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).parent
PIPELINE = 1_000
CONNECT_SECONDS = 10.0
FUNCTION = {"sessions": "session", "windows": "view", "carts": "cart"}
KINDS = {"windows": ("view",), "carts": ("add_to_cart", "purchase")}


def connected(path: str) -> Any:
    """A client, once the server answers."""
    client = redis.Redis(unix_socket_path=path)
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return client


def server_seconds(client: Any) -> float:
    """CPU of the server so far."""
    info = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def answer(job: str, client: Any) -> list[int]:
    """From the state that the functions leave."""
    values: list[int] = []
    if job == "sessions":
        for key in client.scan_iter(count=1_000):
            values += [int(one) for one in client.lrange(key, 2, -1)[::3]]
    elif job == "windows":
        windows: dict[tuple[bytes, int], int] = {}
        for key in client.scan_iter(count=1_000):
            for pane, count in client.hgetall(key).items():
                for step in range(12):
                    window = key, int(pane) - step
                    windows[window] = windows.get(window, 0) + int(count)
        values = list(windows.values())
    else:
        for key in client.scan_iter(match="c:*", count=1_000):
            values += [int(ms) for ms in client.zrange(key, 0, -1)]
    return [len(values), sum(values), max(values, default=0)]


def main(job: str, path: str) -> None:
    """Print what it took and what came out."""
    with open(path) as file:
        lines = file.read().splitlines()
    wanted = KINDS.get(job)
    name = FUNCTION[job]
    with tempfile.TemporaryDirectory(prefix="redis-peer-") as folder:
        socket = f"{folder}/redis.sock"
        command = [
            "redis-server",
            str(HERE / "redis.conf"),
            "--unixsocket",
            socket,
            "--dir",
            folder,
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            client = connected(socket)
            client.function_load((HERE / "functions.lua").read_text())
            start_s, cpu_start_s = time.monotonic(), time.process_time()
            server_start_s = server_seconds(client)
            pipeline = client.pipeline(transaction=False)
            waiting = 0
            for line in lines:
                user, ms, kind = line.split(",")
                if wanted and kind not in wanted:
                    continue
                pipeline.fcall(name, 1, user, ms, kind)
                waiting += 1
                if waiting == PIPELINE:
                    pipeline.execute()
                    waiting = 0
            pipeline.execute()
            seconds = time.monotonic() - start_s
            cpu_s = time.process_time() - cpu_start_s + server_seconds(client) - server_start_s
            found = answer(job, client)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "answer": found}))


main(*sys.argv[1:])
