"""`augenblick dead-letters list|retry`: what was refused or could not be delivered."""

import contextlib
import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from augenblick.cli._control import DATA_DIRECTORY, ENGINE_URL, ControlClient
from augenblick.cli._options import AsJson, Data, Engine
from augenblick.errors import UsageError

app = typer.Typer(help="Show or deliver again what was refused or could not be delivered.")

Reason = Annotated[str | None, typer.Option(help="Only letters with this reason.")]


@app.command("list")
def list_letters(
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 100,
    as_json: AsJson = False,
    engine: Engine = ENGINE_URL,
    data: Data = DATA_DIRECTORY,
) -> None:
    """List dead letters, the newest first; with --json one object per line."""
    answer = ControlClient(engine, data).get("/v1/dead-letters", reason=reason, limit=limit)
    for letter in answer["dead_letters"]:
        print(json.dumps(letter, ensure_ascii=False) if as_json else _line(letter))
    if not answer["dead_letters"]:
        print("no dead letters", file=sys.stderr)


@app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="The ids of dead letters.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every action's letter.")] = False,
    reason: Reason = None,
    engine: Engine = ENGINE_URL,
    data: Data = DATA_DIRECTORY,
) -> None:
    """Deliver actions again. Refused events cannot be retried: send them again, mended."""
    if bool(ids) == everything:
        raise UsageError("name ids of dead letters, or --all")
    body: dict[str, Any] = {"all": True} if everything else {"ids": ids}
    if reason is not None:
        body["reason"] = reason
    answer = ControlClient(engine, data).post("/v1/dead-letters/retry", body)
    for letter_id, why in answer["refused"].items():
        print(f"{letter_id}: {why}", file=sys.stderr)
    print(f"{answer['retried']} on their way again, {len(answer['refused'])} not")
    if answer["refused"] and not everything:
        raise typer.Exit(1)


def _line(letter: dict[str, Any]) -> str:
    when = "-"
    with contextlib.suppress(
        KeyError, TypeError, ValueError, OverflowError, OSError
    ):  # none, or absurd
        when = datetime.fromtimestamp(letter["time"] / 1000, UTC).isoformat(timespec="milliseconds")
    what = letter.get("source") or "-"
    if "action" in letter:
        what = f"action {letter['action']} after {letter.get('attempts', 0)} attempts"
    return f"{letter['id']}  {when}  {letter.get('reason')}  {what}: {letter.get('detail') or '-'}"
