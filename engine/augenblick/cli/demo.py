"""`augenblick demo`: the whole engine on a local Ray, fed with real shop data."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augenblick.config.serve import ServeOptions
from augenblick.errors import AugenblickError
from augenblick.runtime.launch import prepare

if TYPE_CHECKING:
    from augenblick.runtime.cluster import Engine

app = typer.Typer()
_STATUS_SECONDS = 1.2  # every process reports once a second


@app.command()
def demo(
    shards: Annotated[
        int, typer.Option(envvar="AUGENBLICK_SHARDS", help="Processes that own the users.")
    ] = 2,
    volume: Annotated[
        bool, typer.Option(help="After the real data, send 31,106 further events at full speed.")
    ] = True,
) -> None:
    """Start the engine, replay real shop data through its Forward port, show what fires.

    It needs no settings, listens on this machine only, takes well under a minute and leaves
    nothing behind.
    """
    with tempfile.TemporaryDirectory(prefix="augenblick-demo-") as folder:
        options = ServeOptions(
            plan="example:otto",
            data=Path(folder),
            shards=shards,
            forward="127.0.0.1:0",
            http="127.0.0.1:0",
            clock="event",
            log_level="error",
            spares=0,
        )
        engine = prepare(options)
        engine.shows_output = False  # the demo shows firings itself
        raise typer.Exit(asyncio.run(_demo(engine, volume)))


async def _demo(engine: Engine, with_volume: bool) -> int:
    """Start, replay, summarise, stop; returns the exit code."""
    from augenblick.cli._demo_show import DemoShow  # while Ray starts

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def watch_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            loop.add_signal_handler(number, task.cancel)

    began = time.monotonic()
    failure: AugenblickError | None = None
    print("Starting the engine on a local Ray ...", flush=True)
    try:
        watch_signals()
        await engine.start(watch_signals)
        print(f"ready after {time.monotonic() - began:.1f} s\n", flush=True)
        show = DemoShow(engine)
        await asyncio.to_thread(show.replay_otto)
        if with_volume:
            await asyncio.to_thread(show.replay_volume)
        await asyncio.sleep(_STATUS_SECONDS)
        status = await engine.status()
        if status is not None:
            print(show.summary(status), flush=True)
    except AugenblickError as error:
        failure = error
    except asyncio.CancelledError:
        print("interrupted", file=sys.stderr)
    is_orderly = await engine.stop()
    if failure is not None:
        raise failure
    print(f"\nDone in {time.monotonic() - began:.1f} s; the engine has stopped.", flush=True)
    return 0 if is_orderly and not task.cancelling() else 1
