"""Results as lines, percentiles and pictures; scenarios by name; what the command refuses."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from augenblick_bench.__main__ import main
from augenblick_bench.harness.chart import draw
from augenblick_bench.harness.processes import CpuMeter, marked
from augenblick_bench.harness.recorder import Recorder
from augenblick_bench.harness.report import Moment, Result, append
from augenblick_bench.scenarios import SCENARIOS


def result() -> Result:
    recorder = Recorder()
    recorder.add_ms([1.0] * 98 + [50.0, 90_000.0])
    summary, curve = recorder.summary_ms(), recorder.curve_ms()
    cpu_s = {"shard-0": 1.0, "load generator": 1.0}
    return Result("throughput", "test", 1_000, 0.5, cpu_s, summary, {"firings": 3}, curve)


def test_percentiles() -> None:
    found = result().latency_ms
    assert found["p50"] == pytest.approx(1, rel=0.002)
    assert found["p99"] == pytest.approx(50, rel=0.002)
    assert found["max"] == pytest.approx(60_000, rel=0.002)
    assert found["count"] == 100


def test_a_line_says_what_where_and_how_fast(tmp_path: Path) -> None:
    append(result(), "the command", tmp_path)
    append(result(), "the command", tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "throughput.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    line = lines[0]
    assert line["events_per_s"] == 2_000
    assert line["events_per_s_per_core"] == 500
    assert line["command"] == "the command"
    assert {"cpu", "cores", "kernel", "python", "load_average"} <= set(line["machine"])
    assert {"at", "commit", "cpu_s", "latency_ms", "facts"} <= set(line)
    assert "curve_ms" not in line


def test_a_run_without_events_is_about_seconds(tmp_path: Path) -> None:
    run = Result("start", "2 shards", 0, 4.5, facts={"ray_s": 4.0})
    line = append(run, "the command", tmp_path)
    assert line["seconds"] == 4.5
    assert not {"events", "events_per_s", "events_per_s_per_core"} & set(line)
    assert run.text() == "start 2 shards   ray_s 4.0"
    assert draw([run], tmp_path / "start.png")


@pytest.mark.filterwarnings("ignore")  # matplotlib's own, of other versions of Python
def test_a_chart_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "charts/one.png"
    assert draw([result()], path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_cpu_of_processes_by_role() -> None:
    meter = CpuMeter({os.getpid(): "us", 2**22 + 1: "gone"})
    meter.start()
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    used = meter.used()
    assert used["us"] >= 0.09
    assert used["gone"] == 0


def test_processes_are_found_by_their_mark() -> None:
    command = [sys.executable, "-c", "input()"]
    environment = {**os.environ, "BENCH_TEST_MARK": "a7"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        deadline = time.monotonic() + 10
        while process.pid not in marked("BENCH_TEST_MARK=a7") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert marked("BENCH_TEST_MARK=a7") == {process.pid}
        process.communicate(b"\n")


def test_scenarios_are_found_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["checkpoint", "crash", "curves", "kernel", "latency", "micro", "peers", "route"]
    names += ["start", "throughput"]
    assert SCENARIOS.names() == names
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names


def test_an_unknown_scenario_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["nothing"])
    assert caught.value.code == 2
    assert "there are checkpoint, crash, curves" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["route", "kernel"])
def test_the_in_process_scenarios_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([name, "--seconds", "0.02", "--users", "500", "--json", "--out", str(tmp_path)]) == 0
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["scenario"] for line in lines] == [name] * 2
    assert all(line["facts"]["ns_per_event"] > 0 for line in lines)
    assert (tmp_path / f"{name}.png").exists()


def test_a_time_line_is_drawn(tmp_path: Path) -> None:
    made = result()
    made.moments = [Moment(-0.1, 10.0, 1.0, 2.0), Moment(0.0, 0.0, None, None)]
    assert draw([made], tmp_path / "crash.png")
    assert (tmp_path / "crash.png").read_bytes().startswith(b"\x89PNG")
    assert "moments" not in made.line("")
