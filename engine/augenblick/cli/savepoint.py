"""`augenblick savepoint`: the engine's whole state, to start from elsewhere."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer

from augenblick.cli._control import DATA_DIRECTORY, ENGINE_URL, ControlClient
from augenblick.cli._options import AsJson, Data, Engine, absolute_place
from augenblick.errors import AugenblickError

app = typer.Typer()
_POLL_SECONDS = 0.2


@app.command()
def savepoint(
    to: Annotated[
        str | None,
        typer.Option(
            envvar="AUGENBLICK_TO",
            help="The folder or URL in which the savepoint gets a folder; default DATA/savepoints."
            " Another place must be allowed: serve --savepoint-allow.",
        ),
    ] = None,
    stop: Annotated[
        bool,
        typer.Option(
            "--stop",
            help="Take no more events, deliver what has fired, take the savepoint, end the engine:"
            " nothing acknowledged is missing in it.",
        ),
    ] = False,
    as_json: AsJson = False,
    engine: Engine = ENGINE_URL,
    data: Data = DATA_DIRECTORY,
) -> None:
    """Take a savepoint: everything the engine knows of its users, in one folder.

    Start from it with:  augenblick serve PLAN --from SAVEPOINT --data NEW

    The engine goes on meanwhile (unless --stop); what it acknowledges later is not in it.
    """
    client = ControlClient(engine, data)
    place = absolute_place(to) if to is not None else None
    name = client.post("/v1/savepoints", {"to": place, "stop": stop})["name"]
    document = _wait(client, name)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
    if document["state"] != "done":
        end = "; the engine ends all the same, its state is in its directory" if stop else ""
        raise AugenblickError(f"no savepoint: {document['error']}{end}")
    if not as_json:
        size = f"{document['bytes'] / 2**20:,.1f} MiB of {len(document['shards'])} shards"
        print(f"{document['url']}\n{size}, which stood still for {document['held_ms']:.0f} ms")


def _wait(client: ControlClient, name: str) -> dict[str, Any]:
    """Its final document; how far it is is shown where a person looks."""
    is_shown = sys.stderr.isatty()
    while True:
        document: dict[str, Any] = client.get(f"/v1/savepoints/{name}")
        if is_shown:
            done = document["done"] / max(document["groups"], 1)
            print(f"\r{name}: {document['state']}, {done:.0%}   ", end="", file=sys.stderr)
        if document["state"] in ("done", "failed"):
            if is_shown:
                print(file=sys.stderr)
            return document
        time.sleep(_POLL_SECONDS)
