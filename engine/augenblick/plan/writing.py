"""Writes a plan as YAML: reading the text back gives an equal plan."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from augenblick.plan.model.plan import Plan


def write_plan(plan: Plan) -> str:
    """The YAML of a plan; what has its default value is left out."""
    data: dict[str, Any] = plan.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
    )
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue()
