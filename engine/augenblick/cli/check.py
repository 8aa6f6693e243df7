"""`augenblick check PLAN`: is the plan right, and what does it cost."""

import json
import sys
from typing import Annotated, Any

import typer

from augenblick.errors import NotBuiltYet, PlanError
from augenblick.examples import plan_path
from augenblick.plan import Report, check_plan, load_plan

app = typer.Typer()


@app.command()
def check(
    plan: Annotated[str, typer.Argument(help="The plan, a YAML file or example:NAME.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a plan: every mistake with its line, or memory per user, timers, unused events."""
    try:
        report = check_plan(load_plan(plan_path(plan)))
    except PlanError as error:
        if as_json:
            _print_json({"ok": False, "problems": [_problem(one) for one in error.problems]})
        else:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            print(_counted(len(error.problems), "mistakes"), file=sys.stderr)
        raise typer.Exit(2) from None
    if as_json:
        _print_json(_as_data(report))
    else:
        _print_report(plan, report)


def _print_report(plan: str, report: Report) -> None:
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    counts = ", ".join(_counted(count, name) for name, count in report.counts.items() if count)
    print(f"{plan} is right: {counts or 'it holds nothing yet'}")
    typical, bytes_max = report.typical_bytes, report.bytes_max
    print(f"memory per user: about {typical:,} bytes, at most {bytes_max:,}")
    for line in report.memory:
        print(f"  {line.typical_bytes:>8,} {line.bytes_max:>10,}  {line.name}")
    _print_list("by time alone", report.timers)
    _print_list("events that no rule names", report.unused_events)
    _print_list("features that nothing reads", report.unused_features)
    _print_list("actions that nothing uses", report.unused_actions)


def _counted(count: int, plural: str) -> str:
    return f"{count} {plural if count > 1 else plural.removesuffix('s')}"


def _print_list(title: str, items: tuple[str, ...]) -> None:
    if items:
        print(f"{title}:")
        for item in items:
            print(f"  {item}")


def _as_data(report: Report) -> dict[str, Any]:
    return {
        "ok": True,
        "plan": report.plan_name,
        "counts": report.counts,
        "warnings": [_problem(warning) for warning in report.warnings],
        "memory_per_user": {
            "typical_bytes": report.typical_bytes,
            "bytes_max": report.bytes_max,
            "parts": [
                {"name": one.name, "typical_bytes": one.typical_bytes, "bytes_max": one.bytes_max}
                for one in report.memory
            ],
        },
        "timers": list(report.timers),
        "unused_events": list(report.unused_events),
        "unused_features": list(report.unused_features),
        "unused_actions": list(report.unused_actions),
    }


def _problem(problem: PlanError) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "message": problem.message,
        "not_built": isinstance(problem, NotBuiltYet),
    }


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, ensure_ascii=False))
