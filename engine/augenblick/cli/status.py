"""`augenblick status`: who is there, what they hold, what fires and how quickly."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from augenblick.cli._control import DATA_DIRECTORY, ENGINE_URL, ControlClient
from augenblick.cli._options import AsJson, Data, Engine

app = typer.Typer()


@app.command()
def status(
    engine: Engine = ENGINE_URL, data: Data = DATA_DIRECTORY, as_json: AsJson = False
) -> None:
    """Show a running engine: gateways, shards, triggers, dead letters, latest warnings."""
    document = ControlClient(engine, data).get("/v1/status")
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(_headline(document))
    for table in (
        _gateways(document),
        _shards(document),
        _triggers(document),
        _actions(document),
        _letters(document),
    ):
        if table is not None:
            console.print(table)
    for line in document["log"]:
        console.print(f"{_time(line['time'])}  {line['level']}  {line['text']}")


def _headline(document: dict[str, Any]) -> str:
    state = "ready" if document["ready"] else "not ready"
    latency = _latency(document["latency_ms"])
    counters = document["counters"]
    until_ms = document["catch_up_until_ms"]
    if until_ms is not None:
        state += f", catching up until {_time(until_ms)}"
    return (
        f"{document['plan']}: {state}, up {document['uptime_s']:.0f} s, clock "
        f"{_time(document['clock_ms'])}\n"
        f"{counters.get('events', 0):,} events, event to firing {latency}"
    )


def _gateways(document: dict[str, Any]) -> Table:
    table = _table("gateway", "events", "watermark", "sources", "late", "lag p99", "refused")
    for name, one in document["gateways"].items():
        sources = one.get("sources", [])
        lags = [source["lag_p99_ms"] for source in sources if source["lag_p99_ms"] is not None]
        events = sum(source["events"] for source in sources)
        late = sum(source["late_share"] * source["events"] for source in sources)
        table.add_row(
            _up(name, one),
            f"{one.get('events', 0):,}",
            _time(one.get("watermark_ms")),
            str(len(sources)),
            f"{late / events:.1%}" if events else "-",
            f"{max(lags):,} ms" if lags else "-",
            _counts(one.get("dead_letters", {})),
        )
    return table


def _shards(document: dict[str, Any]) -> Table:
    table = _table("shard", "at", "key groups", "users", "events/s", "memory", "waiting", "disk")
    for name, one in document["shards"].items():
        lost = document["state_lost"].get(name)
        table.add_row(
            _up(name, one) + (f" (state lost {lost} times)" if lost else ""),
            one.get("address") or "-",
            f"{one.get('key_groups', 0):,}",
            f"{one.get('users', 0):,}",
            f"{one.get('events_per_s', 0):,.0f}",
            _memory(one),
            _counts({**one.get("outbox", {}), "quiet hours": one.get("quiet_held", 0)}),
            _disk(one.get("storage", {})),
        )
    for name, one in document.get("spares", {}).items():
        table.add_row(_up(name, one), "waits to take over" if one["up"] else "-")
    return table


def _memory(one: dict[str, Any]) -> str:
    """What the users of a shard take, of what they may."""
    used, most = one.get("memory_bytes", 0), one.get("memory_bytes_max", 0)
    text = f"{used / 2**20:,.1f} MiB"
    if not most:
        return text
    text += f" of {most / 2**20:,.0f}"
    return f"{text}, FULL" if used >= most else text


def _disk(storage: dict[str, Any]) -> str:
    """Journal and checkpoint of a shard: how far, how far behind, how old."""
    if not storage:
        return "-"
    if storage["recovered"] < 1:
        found = storage["recovery"]
        parts = [f"recovering, {storage['recovered']:.0%}"]
        if "restored" in found:
            parts.append(f"{found['restored']:,} of {found['key_groups']:,} key groups restored")
            parts.append(f"{found['events']:,} events replayed")
        return ", ".join(parts)
    behind = f"{storage['replay_bytes'] / 2**20:,.1f} MiB behind a checkpoint"
    text = f"{behind} of {storage['checkpoint_age_s']:,.0f} s ago"
    if aside := storage.get("poison", {}).get("set_aside"):
        text += f"; {aside} EVENTS SET ASIDE"
    if storage["is_full"]:
        return f"FULL, {storage['waiting_bytes'] / 2**20:,.1f} MiB wait; {text}"
    return text


def _triggers(document: dict[str, Any]) -> Table | None:
    if not document["triggers"]:
        return None
    table = _table("trigger", "firings", "shadow", "held back", "event to firing", "host")
    for name, one in document["triggers"].items():
        host = document["hosts"].get(f"trigger-{name}")
        table.add_row(
            name,
            f"{one['firings']:,}",
            f"{one['shadow']:,}",
            _counts(one["held_back"]),
            _latency(one["latency_ms"]),
            _host(host) if host else "",
        )
    return table


def _host(host: dict[str, Any]) -> str:
    if not host["up"]:
        return "down"
    text = str(host.get("state", "starting"))
    if host.get("last_error"):
        text += f", {host['errors']} errors, last: {host['last_error']}"
    return text


def _actions(document: dict[str, Any]) -> Table | None:
    actions = document["delivery"].get("actions", {})
    if not actions:
        return None
    table = _table("action", "delivered", "waiting", "retried", "dead", "latency", "last error")
    for name, one in actions.items():
        table.add_row(
            name,
            f"{one['delivered']:,}",
            f"{one['waiting'] + one['performing']:,}",
            f"{one['retried']:,}",
            f"{one['dead']:,}",
            _latency({name: us and us / 1000 for name, us in one["latency_us"].items()}),
            one["last_error"] or "",
        )
    return table


def _letters(document: dict[str, Any]) -> Table | None:
    letters = document["delivery"].get("dead_letters", {}).get("by_reason", {})
    if not letters:
        return None
    table = _table("dead letters", "count")
    for reason, count in sorted(letters.items()):
        table.add_row(reason, f"{count:,}")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def _up(name: str, one: dict[str, Any]) -> str:
    return name if one["up"] else f"{name} DOWN"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "-"


def _latency(latency: dict[str, float | None]) -> str:
    if latency.get("p50") is None:
        return "-"
    return f"p50 {latency['p50']:.1f} p99 {latency['p99']:.1f} ms"


def _time(ms: int | None) -> str:
    if ms is None:
        return "-"
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError):
        return str(ms)
