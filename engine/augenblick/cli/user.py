"""`augenblick user`: what is held of one user, erasing it, and the receipts of erasures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from augenblick.binding.user_marks import UserMarks
from augenblick.cli._control import DATA_DIRECTORY, ENGINE_URL, ControlClient
from augenblick.cli._options import AsJson, Data, Engine
from augenblick.config.secret import cluster_secret
from augenblick.durability import cluster_file
from augenblick.durability.receipts import ReceiptSigner, check_receipt
from augenblick.errors import CorruptionFound, EngineUnavailable, UsageError

app = typer.Typer(help="What is held of one user; erasing a user.", no_args_is_help=True)
User = Annotated[str, typer.Argument(help="The user id, as events carry it.")]
_TRIES_SECONDS = 20.0


@app.command()
def show(
    user: User, as_json: AsJson = False, engine: Engine = ENGINE_URL, data: Data = DATA_DIRECTORY
) -> None:
    """Show all that is held of a user: sessions, features with their windows, segments, sequences
    in flight, timers, records on their way out, dead letters.

    Asking is noted in the audit log, with a keyed hash in place of the id. Where the plan says
    pseudonymise, the id is hashed as those of events are.
    """
    document = _ask(engine, data, "show", user)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    state = document["state"]
    print(f"user {document['user']}, key group {document['key_group']}")
    if state is None:
        print("no state")
    else:
        print(f"last event {_instant(state['last_event'])}; timer {_instant(state['next_timer'])}")
        for name in ("sessions", "features", "segments", "sequences", "triggers", "contacts"):
            _print_part(name, state[name])
    for name in ("outbox", "custom_triggers", "dead_letters_leaving", "dead_letters", "erasures"):
        _print_part(name.replace("_", " "), document[name])


@app.command()
def erase(
    user: User, as_json: AsJson = False, engine: Engine = ENGINE_URL, data: Data = DATA_DIRECTORY
) -> None:
    """Erase a user: state, timers and records on their way out go at once; later events of the id
    begin a new user.

    Files follow: within `serve --journal-age-max` journals, checkpoints and dead letters hold
    nothing of the user any more. Then there is a signed receipt: augenblick user receipt ID
    """
    document = _ask(engine, data, "erase", user)
    if as_json:
        print(json.dumps(document))
        return
    print(
        f"erased, and asked for at {_instant(document['asked'])}; files follow."
        f" The receipt will be there:  augenblick user receipt {user}"
    )


@app.command()
def receipt(
    user: User, as_json: AsJson = False, engine: Engine = ENGINE_URL, data: Data = DATA_DIRECTORY
) -> None:
    """Print the receipts of a user's erasures, and the erasures that are not through yet.

    With --json each receipt as it was signed; `augenblick user verify FILE` checks it.
    """
    document = _ask(engine, data, "receipt", user)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    for one in document["receipts"]:
        print(f"asked {one['asked']}, files clean {one['files_clean']}, issued {one['issued']}")
        print(f"  signature {one['signature']}")
    for one in document["running"]:
        print(f"asked {_instant(one['asked'])}, files clean {_instant(one['files_clean'])}: runs")
    if not document["receipts"] and not document["running"]:
        print("no erasure of this user was asked for")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt, or what `user receipt --json` printed.")],
    user: Annotated[
        str | None, typer.Option(help="The id it has to be about, as the engine holds it.")
    ] = None,
    public_key: Annotated[
        str, typer.Option(help="Of the cluster; default: that of the data directory's secret.")
    ] = "",
    data: Data = DATA_DIRECTORY,
) -> None:
    """Check a receipt's signature; exit code 1 if it is not as the engine signed it."""
    key = public_key or ReceiptSigner(cluster_secret(data)).public_key
    mark = None
    if user is not None:
        mark = UserMarks(cluster_file.load(data / cluster_file.FILE_NAME).hash_key).of(user)
    receipts = _receipts_in(file)
    for one in receipts:
        check_receipt(one, key)
        if mark is not None and one["user"] != mark:
            raise CorruptionFound("the receipt is about another user", file=str(file))
        print(f"{one['user']}: asked {one['asked']}, issued {one['issued']}; the signature is good")


def _receipts_in(file: Path) -> list[Mapping[str, Any]]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} holds no receipt: {error}") from None
    receipts = content.get("receipts", [content]) if isinstance(content, dict) else []
    if not receipts:
        raise UsageError(f"{file} holds no receipt")
    return list(receipts)


def _ask(engine: str, data: Path, what: str, user: str) -> Any:
    """The answer; while the shard recovers or is saved it is asked again (twice does no harm)."""
    client = ControlClient(engine, data)
    end = time.monotonic() + _TRIES_SECONDS
    while True:
        try:
            return client.post(f"/v1/users/{what}", {"user": user})
        except EngineUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(1.0)


def _print_part(name: str, part: Any) -> None:
    if not part:
        return
    print(f"{name}:")
    rows: Iterable[Any] = part.items() if isinstance(part, dict) else part
    for row in rows:
        if isinstance(part, dict):
            print(f"  {row[0]}: {json.dumps(row[1], ensure_ascii=False)}")
        else:
            print(f"  {json.dumps(row, ensure_ascii=False)}")


def _instant(at_ms: int | None) -> str:
    if at_ms is None:
        return "none"
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
