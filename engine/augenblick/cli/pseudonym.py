"""`augenblick pseudonym ID...`: the pseudonyms of user ids, for who has to find users again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from augenblick.binding.pseudonyms import Pseudonyms
from augenblick.cli._control import DATA_DIRECTORY
from augenblick.cli._options import AsJson, Data
from augenblick.config.secret import PSEUDONYM_FILE, pseudonym_key

app = typer.Typer()


@app.command()
def pseudonym(
    users: Annotated[list[str], typer.Argument(help="User ids; - reads them, one a line.")],
    data: Data = DATA_DIRECTORY,
    pseudonym_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AUGENBLICK_PSEUDONYM_KEY_FILE", help="The key. Default DATA/pseudonym.key."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the pseudonym of each user id, as firings and records carry it.

    A pseudonym cannot be turned back: to find its user, print those of the users you know.
    """
    pseudonyms = Pseudonyms(pseudonym_key(pseudonym_key_file or data / PSEUDONYM_FILE))
    ids = [line.rstrip("\n") for line in sys.stdin] if users == ["-"] else users
    for user in filter(None, ids):
        found = pseudonyms.of(user)
        print(json.dumps({"user": user, "pseudonym": found}) if as_json else f"{found}  {user}")
