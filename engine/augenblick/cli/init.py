"""`augenblick init NAME`: a commented starter plan with events to try it on."""

from pathlib import Path
from typing import Annotated

import typer

from augenblick.cli._starter import starter_events, starter_plan
from augenblick.errors import AugenblickError, UsageError
from augenblick.plan.model.base import label_problem

app = typer.Typer()


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The plan's name; the files get it too.")],
) -> None:
    """Write NAME.yaml, a commented plan, and NAME.ndjson, events to try it on."""
    problem = label_problem(name)
    if problem:
        raise UsageError(problem)
    plan, events = Path(f"{name}.yaml"), Path(f"{name}.ndjson")
    files = {plan: starter_plan(name), events: starter_events()}
    try:
        for path in files:
            if path.exists():
                raise UsageError(f"{path} is there already; nothing was written")
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise AugenblickError(f"cannot write {plan} and {events}: {error.strerror}") from None
    print(f"wrote {plan} and {events}; now try:")
    print(f"  augenblick check {plan}")
    print(f"  augenblick simulate {plan} {events}")
    print(f"  augenblick serve {plan}")
