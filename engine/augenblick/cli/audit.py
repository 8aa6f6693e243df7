"""`augenblick audit verify`: is the log of control commands as it was written?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from augenblick.cli._control import DATA_DIRECTORY
from augenblick.cli._options import AsJson, Data
from augenblick.durability.audit import AuditLog

app = typer.Typer(
    help="The log of what the engine was asked to do: DATA/audit.ndjson.", no_args_is_help=True
)


@app.callback()
def _audit() -> None:
    """Keeps `verify` a command of its own."""


@app.command()
def verify(
    data: Data = DATA_DIRECTORY,
    last: Annotated[
        str, typer.Option(help="A hash that was noted before: its line has to be there still.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check every line of DATA/audit.ndjson and print the hash of the last.

    The first broken line is named, with exit code 1. Note the hash elsewhere from time to time and
    give it with --last: whoever can write the file can also write all of it anew.
    """
    found = AuditLog(data).verify(last)
    if as_json:
        print(json.dumps({"lines": found.lines, "last": found.last}))
    else:
        print(f"{found.lines} lines, none broken; the last is {found.last}")
