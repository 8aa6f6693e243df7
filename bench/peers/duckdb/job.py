"""DuckDB in batch: all events are there before it begins. A bound, not a stream processor."""

import json
import sys
import time

import duckdb

EVENTS = "read_csv(?, header=false, columns={'user': 'VARCHAR', 'ms': 'BIGINT', 'kind': 'VARCHAR'})"
JOBS = {
    "sessions": f"""
        WITH gaps AS (
            SELECT user, ms, coalesce(ms - lag(ms) OVER w > 1800000, true) AS is_first
            FROM {EVENTS} WINDOW w AS (PARTITION BY user ORDER BY ms)),
        numbered AS (
            SELECT user, sum(is_first::INT) OVER (PARTITION BY user ORDER BY ms) AS n FROM gaps),
        sessions AS (SELECT count(*) AS events FROM numbered GROUP BY user, n)
        SELECT count(*), sum(events), max(events) FROM sessions""",
    "windows": f"""
        WITH panes AS (
            SELECT user, ms // 300000 AS pane, count(*) AS events
            FROM {EVENTS} WHERE kind = 'view' GROUP BY ALL),
        windows AS (
            SELECT sum(events) AS events
            FROM panes, range(12) AS step(n) GROUP BY user, pane - n)
        SELECT count(*), sum(events), max(events) FROM windows""",
    "carts": f"""
        WITH events AS MATERIALIZED (FROM {EVENTS} WHERE kind <> 'view'),
        carts AS (FROM events WHERE kind = 'add_to_cart'),
        purchases AS (FROM events WHERE kind = 'purchase')
        SELECT count(*), sum(carts.ms), max(carts.ms)
        FROM carts ASOF LEFT JOIN purchases
        ON carts.user = purchases.user AND purchases.ms > carts.ms
        WHERE purchases.ms IS NULL OR purchases.ms > carts.ms + 1800000""",
}


def main(job: str, path: str) -> None:
    """Print what it took and what came out."""
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SELECT 1").fetchall()
    start_s, cpu_start_s = time.monotonic(), time.process_time()
    row = connection.execute(JOBS[job], [path]).fetchone()
    seconds, cpu_s = time.monotonic() - start_s, time.process_time() - cpu_start_s
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "answer": [int(one) for one in row]}))


main(*sys.argv[1:])
