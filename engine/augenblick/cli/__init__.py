"""The command line: one file per subcommand, imported when it is asked for.

Each module of this folder without a leading underscore holds one Typer app named `app`; the file's
name is the command's. Errors leave as one clear line on standard error; exit codes are 0 done,
1 failed, 2 bad usage or plan.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import typer
from typer.core import TyperGroup

from augenblick.errors import AugenblickError, PlanError, UsageError

_HELP = """Augenblick: events in, sessions, patterns and actions out, within milliseconds.

Start with `augenblick demo`; then `augenblick init shop`, `augenblick simulate`, `augenblick
serve`. Each command explains itself with --help."""


class _Commands(TyperGroup):
    """The subcommands, found by their files."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command's name."""
        names = [module.name for module in iter_modules(__path__)]
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command; None if there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        module.app._add_completion = False  # offered once, by nobody
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from augenblick import __version__

        print(f"augenblick {__version__}")
        raise typer.Exit


app = typer.Typer(cls=_Commands, help=_HELP, no_args_is_help=True, add_completion=False)


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", callback=_show_version, is_eager=True
    ),
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    command = typer.main.get_command(app)
    command.name = "augenblick"
    try:
        command.main(
            args=list(arguments) if arguments is not None else None, prog_name="augenblick"
        )
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        sys.stderr.close()
        return 0
    except AugenblickError as error:
        print(f"augenblick: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError | PlanError) else 1
    return 0
