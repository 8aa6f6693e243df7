"""What `serve` prints when it is ready: what listens where."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from augenblick.runtime.cluster import Engine

KEPT = {
    "fsync": "events are acknowledged once they are on disk",
    "os": "events are acknowledged once the operating system has them",
    "none": "state in memory only: lost when a shard dies",
}


def serve_panel(engine: Engine, seconds: float) -> str:
    """The panel's text."""
    options, program = engine.options, engine.program
    table = Table.grid(padding=(0, 2))
    clock = options.clock or program.clock or "wall"
    rules = len(program.triggers) + len(program.metric_triggers)
    table.add_row("plan", f"{program.plan_name}: {rules} triggers, clock {clock}")
    for forward, http in engine.addresses:
        table.add_row("events", f"Fluent Forward  {forward}")
        table.add_row("", f"HTTP            http://{http}/v1/events")
        table.add_row("control", f"http://{http}   (token in {options.data}/control.token)")
    table.add_row("shards", f"{options.shards}, {KEPT[options.store]}")
    sealed = "" if options.key_file is None else f", encrypted with {options.key_file}"
    table.add_row("data", f"{options.data}{sealed}")
    if options.ray:
        table.add_row("ray", f"joined {options.ray}")
    else:
        table.add_row("ray", "own, token required; its ports listen on all interfaces")
    table.add_row("stop", "Ctrl-C or SIGTERM")
    title = f"augenblick is ready ({seconds:.1f} s, Ray's own start {engine.times.ray:.1f} s)"
    output = io.StringIO()
    console = Console(file=output, width=92, force_terminal=False)
    console.print(Panel(table, title=title, box=box.ROUNDED, expand=False))
    return output.getvalue().rstrip("\n")
