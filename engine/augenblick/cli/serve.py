"""`augenblick serve PLAN`: the whole engine on Ray, with one command."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augenblick import limits
from augenblick.cli._options import Spares, absolute_place
from augenblick.config.serve import ServeOptions
from augenblick.errors import AugenblickError, EngineUnavailable
from augenblick.runtime.launch import prepare

if TYPE_CHECKING:
    from augenblick.runtime.cluster import Engine

app = typer.Typer()
_POLL_SECONDS = 0.1


@app.command()
def serve(
    plan: Annotated[
        str, typer.Argument(envvar="AUGENBLICK_PLAN", help="The plan's file, or example:NAME.")
    ],
    data: Annotated[
        Path, typer.Option(envvar="AUGENBLICK_DATA", help="The engine's directory.")
    ] = Path("augenblick-data"),
    shards: Annotated[
        int, typer.Option(envvar="AUGENBLICK_SHARDS", help="Processes that own the users.")
    ] = 2,
    gateways: Annotated[
        int,
        typer.Option(
            envvar="AUGENBLICK_GATEWAYS",
            help="Processes that clients talk to; number i listens at the ports + i.",
        ),
    ] = 1,
    forward: Annotated[
        str, typer.Option(envvar="AUGENBLICK_FORWARD", help="Fluent Forward clients: HOST:PORT.")
    ] = "127.0.0.1:24224",
    http: Annotated[
        str, typer.Option(envvar="AUGENBLICK_HTTP", help="HTTP clients and control: HOST:PORT.")
    ] = "127.0.0.1:8080",
    clock: Annotated[
        str | None,
        typer.Option(
            envvar="AUGENBLICK_CLOCK",
            help="wall: time goes on by itself. event: only events move time (replays).",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            envvar="AUGENBLICK_RAY",
            help="Join the Ray at this address; without it a local Ray is started and ended.",
        ),
    ] = None,
    shard_resource: Annotated[
        str,
        typer.Option(
            envvar="AUGENBLICK_SHARD_RESOURCE",
            help="With --ray: shards run on the nodes that offer this Ray resource.",
        ),
    ] = "",
    shard_nodes: Annotated[
        int,
        typer.Option(
            envvar="AUGENBLICK_SHARD_NODES",
            help="With --shard-resource: wait for so many such nodes, to spread the shards.",
        ),
    ] = 0,
    shared_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AUGENBLICK_SHARED_KEY_FILE", help="Forward clients must know this file's key."
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(envvar="AUGENBLICK_TLS_CERT", help="Forward over TLS: the certificate."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(envvar="AUGENBLICK_TLS_KEY", help="Forward over TLS: its key.")
    ] = None,
    write_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AUGENBLICK_WRITE_KEY_FILE", help="HTTP clients must send this file's key."
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(envvar="AUGENBLICK_CORS", help="A web origin that may send events."),
    ] = None,
    webhook_allow: Annotated[
        list[str] | None,
        typer.Option(
            envvar="AUGENBLICK_WEBHOOK_ALLOW", help="A private network webhooks may reach (CIDR)."
        ),
    ] = None,
    file_allow: Annotated[
        list[Path] | None,
        typer.Option(
            envvar="AUGENBLICK_FILE_ALLOW", help="A directory beside DATA/out for file actions."
        ),
    ] = None,
    secrets: Annotated[
        list[str] | None,
        typer.Option(
            envvar="AUGENBLICK_SECRETS", help="A secret a plan may use: env:NAME or file:PATH."
        ),
    ] = None,
    plugins: Annotated[
        list[str] | None,
        typer.Option(
            envvar="AUGENBLICK_PLUGINS", help="A package whose trigger actors a plan may name."
        ),
    ] = None,
    durability: Annotated[
        str | None,
        typer.Option(
            envvar="AUGENBLICK_DURABILITY",
            help="What an ack says. fsync (the default): on disk. os: handed to the operating"
            " system. none: in memory.",
        ),
    ] = None,
    accept_loss: Annotated[
        list[str] | None,
        typer.Option(
            envvar="AUGENBLICK_ACCEPT_LOSS",
            help="A shard whose directory is gone and that shall begin anew: shard-N.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AUGENBLICK_KEY_FILE",
            help="Encrypt journals, checkpoints and dead letters with the last key of this file;"
            " augenblick key new FILE makes it.",
        ),
    ] = None,
    catch_up: Annotated[
        str,
        typer.Option(
            envvar="AUGENBLICK_CATCH_UP",
            help="After a start with state the clock stands for so long, while clients bring what"
            " they buffered; then timers that were due fire. Not with --clock event.",
        ),
    ] = "30s",
    replay_max: Annotated[
        int,
        typer.Option(
            envvar="AUGENBLICK_REPLAY_MAX",
            help="Events of a shard that a crash makes it apply again, about: more means fewer"
            " checkpoints and a longer recovery.",
        ),
    ] = limits.checkpoint_replay_events_max,
    journal_age_max: Annotated[
        str,
        typer.Option(
            envvar="AUGENBLICK_JOURNAL_AGE_MAX",
            help="Journals and checkpoints are renewed so often that nothing superseded in them is"
            " older, and an erased user is gone from them by then.",
        ),
    ] = "24h",
    pseudonym_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AUGENBLICK_PSEUDONYM_KEY_FILE",
            help="The pseudonyms' key, if the plan says pseudonymise; made if it is not there."
            " Default DATA/pseudonym.key.",
        ),
    ] = None,
    spares: Spares = 1,
    from_savepoint: Annotated[
        str | None,
        typer.Option(
            "--from",
            envvar="AUGENBLICK_FROM",
            help="Begin a new directory with a savepoint: its folder or URL. --shards and the plan"
            " may be others than before.",
        ),
    ] = None,
    savepoint_allow: Annotated[
        list[str] | None,
        typer.Option(
            envvar="AUGENBLICK_SAVEPOINT_ALLOW",
            help="A folder or URL beside DATA/savepoints where `augenblick savepoint` may write.",
        ),
    ] = None,
    memory_max: Annotated[
        int,
        typer.Option(
            envvar="AUGENBLICK_MEMORY_MAX",
            help="MiB of state per shard; above it new users are refused. 0: no limit.",
        ),
    ] = 0,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            envvar="AUGENBLICK_INSECURE",
            help="Client ports beyond this machine without key or TLS.",
        ),
    ] = False,
    log_level: Annotated[
        str, typer.Option(envvar="AUGENBLICK_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "warning",
) -> None:
    """Run the engine: gateways, shards, coordinator and delivery, on a local Ray of its own.

    It says where it listens. SIGTERM or Ctrl-C ends it in order: it takes no more events, applies
    and acknowledges what it has, delivers what has fired, and leaves no process behind.

    Try it:  augenblick serve example:otto --clock event
             augenblick send example:otto --end
    """
    options = ServeOptions(
        plan=plan,
        data=data,
        shards=shards,
        gateways=gateways,
        forward=forward,
        http=http,
        clock=clock,
        ray=ray,
        shard_resource=shard_resource,
        shard_nodes=shard_nodes,
        shared_key_file=shared_key_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        write_key_file=write_key_file,
        origins=tuple(cors or ()),
        webhook_allow=tuple(webhook_allow or ()),
        file_allow=tuple(path.absolute() for path in file_allow or ()),
        secrets=tuple(secrets or ()),
        plugins=tuple(plugins or ()),
        memory_bytes_max=memory_max << 20,
        log_level=log_level,
        is_insecure=insecure,
        durability=durability,
        accept_loss=tuple(accept_loss or ()),
        spares=spares,
        key_file=key_file,
        pseudonym_key_file=pseudonym_key_file,
        catch_up=catch_up,
        replay_max=replay_max,
        journal_age_max=journal_age_max,
        from_savepoint=absolute_place(from_savepoint) if from_savepoint else None,
        savepoint_allow=tuple(map(absolute_place, savepoint_allow or ())),
    )
    began = time.monotonic()
    engine = prepare(options)
    raise typer.Exit(asyncio.run(_serve(engine, began)))


async def _serve(engine: Engine, began: float) -> int:
    """Run until a signal; returns the exit code."""
    from augenblick.cli._panel import serve_panel  # while Ray starts

    end = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            loop.add_signal_handler(number, end.set)

    watch_signals()
    print("augenblick: starting", file=sys.stderr)
    failure: AugenblickError | None = None
    starting = asyncio.create_task(engine.start(watch_signals))
    ending = asyncio.create_task(end.wait())
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            print(serve_panel(engine, time.monotonic() - began), flush=True)
            await _watch(engine, end)
    except AugenblickError as error:
        failure = error
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    ending.cancel()
    is_orderly = await engine.stop()
    if failure is not None:
        raise failure
    return 0 if is_orderly else 1


async def _watch(engine: Engine, end: asyncio.Event) -> None:
    """Show output until the end is asked for; raises EngineUnavailable if Ray goes away."""
    while not end.is_set() and not engine.is_ending:
        engine.show_output()
        if not engine.is_alive():
            raise EngineUnavailable("the local Ray has ended; the engine is gone")
        try:
            await asyncio.wait_for(end.wait(), _POLL_SECONDS)
        except TimeoutError:
            continue
    print("augenblick: stopping", file=sys.stderr)
