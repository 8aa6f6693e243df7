"""`augenblick key new|list FILE`: the keys under which an engine's directory is encrypted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from augenblick.cli._options import AsJson
from augenblick.durability.formats.sealing import show_key_id
from augenblick.durability.key_file import add_key, keys_in_use, load_keys

app = typer.Typer(
    help="Make keys for `serve --key-file`, and see which of them are still needed.",
    no_args_is_help=True,
)

KeyFile = Annotated[Path, typer.Argument(help="The key file, to be read by its owner alone.")]


@app.command()
def new(file: KeyFile) -> None:
    """Add a new key to FILE, or make FILE (mode 0600), and print the key's id.

    The last key encrypts what is written from the next start of `serve` on, each earlier one goes
    on to decrypt. Keep a copy of the file: without its keys nobody reads the directory any more.
    """
    print(show_key_id(add_key(file)))


@app.command("list")
def list_keys(
    file: KeyFile,
    data: Annotated[
        Path | None,
        typer.Option(help="The engine's directory: say how many files need each key."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the ids of FILE's keys, oldest first; with --data how many files need each.

    A key that encrypts no file any more may be taken out of FILE. 00000000 counts files that are
    not encrypted.
    """
    ring = load_keys(file)
    used = keys_in_use(data) if data is not None else {}
    lines = []
    for key in dict.fromkeys([*([0] if used.get(0) else []), *ring.ids, *used]):
        line: dict[str, object] = {"key": show_key_id(key), "newest": key == ring.newest}
        if data is not None:
            line["files"] = used.get(key, 0)
        if key and key not in ring.ids:
            line["missing"] = True
        lines.append(line)
    for line in lines:
        print(json.dumps(line) if as_json else _text(line))


def _text(line: dict[str, object]) -> str:
    words = [str(line["key"])]
    if "files" in line:
        words.append(f"{line['files']} files")
    if line["newest"]:
        words.append("encrypts")
    if line.get("missing"):
        words.append("is not in the file")
    return "  ".join(words)
