"""The jobs that peers do as well: our kernel's answers against plain Python, and the protocol."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from augenblick import EngineUnavailable
from augenblick_bench.harness import peer_jobs
from augenblick_bench.harness.events import BEHIND_MS, KINDS
from augenblick_bench.harness.peer_events import DAY_MS, PeerEvents
from augenblick_bench.harness.peer_jobs import PLANS, SCRIPTS, ours, peers, run_peer

COUNT = 6_000
GAP_MS, SIZE_MS, STEP_MS = 1_800_000, 3_600_000, 300_000
ECHO = """import json, sys
path = sys.argv[2]
with open(path) as file:
    count = len(file.readlines())
print("noise")
print(json.dumps({"seconds": 1.5, "cpu_s": 1.0, "answer": [count, 0, 0]}))
"""


@pytest.fixture(scope="module")
def events() -> PeerEvents:
    return PeerEvents(COUNT)


def of_kind(events: PeerEvents, kind: str | None = None) -> dict[int, list[int]]:
    """Each user's times, sorted."""
    found: dict[int, list[int]] = {}
    rows = zip(events.user.tolist(), events.time_ms.tolist(), events.kind.tolist(), strict=True)
    for user, time_ms, number in rows:
        if kind in (None, KINDS[number]):
            found.setdefault(user, []).append(time_ms)
    return {user: sorted(times) for user, times in found.items()}


def answer(values: list[int]) -> list[int]:
    return [len(values), sum(values), max(values)]


def sessions(events: PeerEvents) -> list[int]:
    values = []
    for times in of_kind(events).values():
        values.append(1)
        for before, time_ms in pairwise(times):
            if time_ms - before > GAP_MS:
                values.append(0)
            values[-1] += 1
    return answer(values)


def windows(events: PeerEvents) -> list[int]:
    counts: dict[tuple[int, int], int] = {}
    for user, times in of_kind(events, "view").items():
        for time_ms in times:
            first = time_ms // STEP_MS * STEP_MS
            for start in range(first, first - SIZE_MS, -STEP_MS):
                counts[user, start] = counts.get((user, start), 0) + 1
    return answer(list(counts.values()))


def carts(events: PeerEvents) -> list[int]:
    bought = of_kind(events, "purchase")
    return answer([
        time_ms
        for user, times in of_kind(events, "add_to_cart").items()
        for time_ms in times
        if not any(time_ms < one <= time_ms + GAP_MS for one in bought.get(user, []))
    ])  # fmt: skip


@pytest.mark.parametrize("job", PLANS)
def test_our_answer_is_right(job: str, events: PeerEvents) -> None:
    wanted = {"sessions": sessions, "windows": windows, "carts": carts}[job](events)
    found = ours(job, events)
    assert found.answer == wanted
    assert found.cpu_s > 0


def test_no_two_events_at_one_time_and_some_out_of_order(events: PeerEvents) -> None:
    times = events.time_ms.tolist()
    assert len(set(times)) == COUNT
    latest, behind = times[0], []
    for time_ms in times:
        latest = max(latest, time_ms)
        if time_ms < latest:
            behind.append(latest - time_ms)
    assert max(PeerEvents(200_000).time_ms) - min(times) < DAY_MS
    assert not behind or max(behind) < BEHIND_MS


def test_the_rows_are_the_same_events(events: PeerEvents, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    events.write_csv(path)
    rows = path.read_text().split()
    assert len(rows) == COUNT
    assert rows[7] == f"user{events.user[7]:012d},{events.time_ms[7]},{KINDS[events.kind[7]]}"
    assert sum(len(block) for block in events.entries()) == COUNT


def test_every_peer_says_what_it_needs() -> None:
    assert {"bytewax", "duckdb", "flink", "polars", "redis"} <= set(peers())
    for peer in peers():
        wanted = (SCRIPTS / peer / "requirements.txt").read_text().split()
        assert all("==" in line for line in wanted)


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A peer called `echo` that counts lines; its job."""
    for folder in ("scripts/echo", "environments/echo/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "environments/echo/bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(peer_jobs, "SCRIPTS", tmp_path / "scripts")
    monkeypatch.setattr(peer_jobs, "ENVIRONMENTS", tmp_path / "environments")
    job = tmp_path / "scripts/echo/job.py"
    job.write_text(ECHO)
    return job


def test_a_peer_s_last_line_counts(peer: Path, events: PeerEvents, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    events.write_csv(path)
    found = run_peer("echo", "sessions", str(path))
    assert (found.seconds, found.cpu_s, found.answer) == (1.5, 1.0, [COUNT, 0, 0])


def test_a_peer_that_fails_is_shown(peer: Path) -> None:
    peer.write_text("raise SystemExit('no such table')")
    with pytest.raises(EngineUnavailable, match="echo sessions failed:\nno such table"):
        run_peer("echo", "sessions", "x")


def test_an_unknown_peer_is_bad_usage() -> None:
    command = [sys.executable, str(SCRIPTS / "install.py"), "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no peer 'nothing'; there are bytewax, duckdb" in done.stderr
