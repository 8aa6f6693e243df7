"""The plans that are measured, and where they lie."""

from pathlib import Path

from augenblick import Plan, load_plan

HERE = Path(__file__).parent
REFERENCE = HERE / "reference.yaml"
SESSION = HERE / "session.yaml"

# Of event time: the `within` of the sequence that holds most. Then as many partials end as begin.
GROWING_SECONDS = 600


def with_webhook(plan_path: Path, url: str) -> str:
    """The plan's text with every action replaced by one webhook."""
    text = plan_path.read_text(encoding="utf-8")
    head, _, actions = text.partition("actions:\n")
    names = [line.split(":")[0].strip() for line in actions.splitlines() if line.strip()]
    hooks = "".join(f'  {name}: {{webhook: "{url}"}}\n' for name in names)
    return f"{head}actions:\n{hooks}"


def load(plan_path: Path) -> Plan:
    """The plan as a model."""
    return load_plan(plan_path)
