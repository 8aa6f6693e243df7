"""The Helm chart as its users get it: rendered by the real helm."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "docker" / "chart"


def template(helm: Path, folder: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """What `helm template` says to these values, for a release "shop"."""
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    return subprocess.run(
        [str(helm), "template", "shop", str(CHART), "--values", str(folder / "values.yaml")]
        + ["--namespace", "shop", "--kube-version", "1.37.0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def render(helm: Path, folder: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects the chart makes of these values."""
    done = template(helm, folder, values)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of one kind, in order."""
    return [found for found in objects if found["kind"] == kind]


def container(objects: list[dict[str, Any]], component: str, name: str) -> dict[str, Any]:
    """A container of the head's or the shards' pods."""
    (pod,) = (
        owner["spec"]["template"]["spec"]
        for owner in of_kind(objects, "StatefulSet")
        if owner["metadata"]["name"].endswith(f"-{component}")
    )
    (found,) = (one for one in containers_of(pod) if one["name"] == name)
    return found


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers that run as long as the pod does, sidecars among them."""
    first = [one for one in pod["initContainers"] if one.get("restartPolicy") == "Always"]
    return [*first, *pod["containers"]]


def keys(objects: list[dict[str, Any]]) -> dict[str, str]:
    """What the chart's Secret holds."""
    (secret,) = of_kind(objects, "Secret")
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


def environment(objects: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, str]:
    """A container's environment, but for what only a pod knows of itself."""
    held = keys(objects)
    found = {}
    for one in given["env"]:
        if "value" in one:
            found[one["name"]] = one["value"]
        elif "secretKeyRef" in one["valueFrom"]:
            found[one["name"]] = held[one["valueFrom"]["secretKeyRef"]["key"]]
    return found
