"""Flink SQL in one JVM: events from a CSV file, results into a black hole, no checkpoints.

A first run over the same events writes its results and gives the answer; by the second, which is
timed, the JVM has compiled its code. Tuned: object reuse, heap state, no operator chaining limits,
one slot per processor for all but the ordered source; state never expires.
"""

import glob
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment

SETTINGS = json.loads(Path(__file__).with_name("settings.json").read_text())
SOURCE = """
CREATE TABLE events (
    `user` STRING, ms BIGINT, kind STRING,
    et AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR et AS et - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv')"""
CARTS = """
SELECT c.ms AS v FROM (SELECT * FROM events WHERE kind = 'add_to_cart') c
LEFT JOIN (SELECT * FROM events WHERE kind = 'purchase') p ON c.`user` = p.`user`
AND p.et BETWEEN c.et + INTERVAL '0.001' SECOND AND c.et + INTERVAL '30' MINUTE
WHERE p.`user` IS NULL"""
SESSIONS = """
SELECT COUNT(*) AS v FROM TABLE(SESSION(
    TABLE events PARTITION BY `user`, DESCRIPTOR(et), INTERVAL '30' MINUTES))
GROUP BY `user`, window_start, window_end"""
WINDOWS = """
SELECT COUNT(*) AS v FROM TABLE(HOP(
    TABLE shown, DESCRIPTOR(et), INTERVAL '5' MINUTES, INTERVAL '1' HOUR))
GROUP BY `user`, window_start, window_end"""
JOBS = {"sessions": SESSIONS, "windows": WINDOWS, "carts": CARTS}


def environment(path: str, results: str) -> Any:
    """Tables for the events and for both ends."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in SETTINGS.items():
        tables.get_config().set(name, value)
    tables.get_config().set("parallelism.default", str(os.cpu_count()))
    tables.execute_sql(SOURCE.format(path=path))
    tables.execute_sql("CREATE VIEW shown AS SELECT * FROM events WHERE kind = 'view'")
    tables.execute_sql("CREATE TABLE hole (v BIGINT) WITH ('connector' = 'blackhole')")
    tables.execute_sql(
        "CREATE TABLE written (v BIGINT) WITH "
        f"('connector' = 'filesystem', 'path' = '{results}', 'format' = 'csv')"
    )
    return tables


def jvm_seconds() -> float:
    """CPU so far of the JVM, the one process that this one has started."""
    ticks = 0
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main(job: str, path: str) -> None:
    """Print what it took and what came out."""
    results = tempfile.mkdtemp(prefix="flink-results-")
    try:
        tables = environment(path, results)
        tables.execute_sql(f"INSERT INTO written {JOBS[job]}").wait()
        values = []
        for name in glob.glob(f"{results}/**/*", recursive=True):
            if os.path.isfile(name):
                values += [int(line) for line in Path(name).read_text().split()]
        start_s, cpu_start_s = time.monotonic(), jvm_seconds()
        tables.execute_sql(f"INSERT INTO hole {JOBS[job]}").wait()
        seconds, cpu_s = time.monotonic() - start_s, jvm_seconds() - cpu_start_s
    finally:
        shutil.rmtree(results, ignore_errors=True)
    answer = [len(values), sum(values), max(values, default=0)]
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "answer": answer}))


if __name__ == "__main__":
    main(*sys.argv[1:])
