"""`augenblick tail [KIND]`: records as they leave the engine."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from augenblick.cli._control import DATA_DIRECTORY, ENGINE_URL, ControlClient
from augenblick.cli._options import Data, Engine
from augenblick.errors import UsageError

app = typer.Typer()
KINDS = ("firing", "session", "window", "metric", "dead_letter")
_WAIT_SECONDS = 20


@app.command()
def tail(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(KINDS)}; without it, all.")
    ] = None,
    engine: Engine = ENGINE_URL,
    data: Data = DATA_DIRECTORY,
    past: Annotated[
        bool, typer.Option("--past", help="Begin with what the engine still remembers.")
    ] = False,
    follow: Annotated[
        bool, typer.Option(help="Go on until interrupted; else print what is there and end.")
    ] = True,
) -> None:
    """Print records as they leave, one JSON object per line, until interrupted."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    client = ControlClient(engine, data)
    last = 0
    if not past and follow:
        last = client.get("/v1/tail", limit=0)["last"]
    while True:
        wait = _WAIT_SECONDS if follow else 0
        answer = client.get("/v1/tail", kind=kind, after=last, wait=wait)
        if answer["missed"] and last:
            print("some records were missed: they left faster than they were read", file=sys.stderr)
        for item in answer["records"]:
            print(json.dumps(item["record"], ensure_ascii=False), flush=True)
        last = answer["last"]
        if not follow and not answer["records"]:
            return
