"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Engine = Annotated[
    str, typer.Option(envvar="AUGENBLICK_ENGINE", help="Where the engine's HTTP port listens.")
]
Data = Annotated[
    Path, typer.Option(envvar="AUGENBLICK_DATA", help="The engine's directory, for its token.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
Spares = Annotated[
    int,
    typer.Option(
        envvar="AUGENBLICK_SPARES",
        help="1: a process that waits to replace a shard within tenths of a second. 0: none.",
    ),
]


def absolute_place(text: str) -> str:
    """A savepoint's place as the engine takes it: a path that begins here, or a URL as it is."""
    return text if "://" in text else str(Path(text).absolute())
