"""The Helm chart lints, renders, and every object is valid to the letter of Kubernetes' schemas.

What this cannot show: admission, scheduling, binding of claims. That needs a cluster.
"""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.system.chart import CHART, container, containers_of, of_kind, render, template
from typer.main import get_command

from augenblick.cli.serve import app

pytestmark = pytest.mark.system

VERSIONS = ("1.33", "1.37")
NAME = "shop-augenblick"
VALUES = {
    "defaults": {},
    "everything": {
        "image": {"repository": "registry.test/augenblick", "tag": "1", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "plan": "plan: shop\nfeatures:\n  views: {count: view, over: session}\n",
        "head": {"gateways": 2, "storage": {"size": "1Gi", "className": "fast"}},
        "shards": {
            "replicas": 5,
            "storage": {"size": "9Gi", "className": "fast"},
            "durability": "os",
            "spares": 0,
        },
        "dataKeys": {"existingSecret": "shop-data-keys"},
        "gateway": {
            "service": {"type": "LoadBalancer", "annotations": {"a/b": "c"}, "httpPort": 80},
            "from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}],
        },
        "existingSecret": "keys",
        "extraArguments": ["--insecure"],
        "extraEnvironment": [{"name": "BANNER_SECRET", "value": "x"}],
        "nodeSelector": {"disk": "local"},
        "tolerations": [{"key": "shards", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
    "open": {"networkPolicy": {"enabled": False}},
}


@pytest.fixture(params=VALUES, ids=str)
def objects(helm, tmp_path, request) -> list[dict[str, Any]]:
    return render(helm, tmp_path, VALUES[request.param])


def test_lint(helm):
    done = subprocess.run(
        [str(helm), "lint", "--strict", str(CHART)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(objects, version):
    assert len(objects) >= 8
    for found in objects:
        kubernetes_validate.validate(found, version, strict=True)


def test_the_validator_finds_a_misspelt_field(helm, tmp_path):
    (service, *_) = of_kind(render(helm, tmp_path, {}), "Service")
    service["spec"]["clusterIp"] = "None"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, VERSIONS[-1], strict=True)


def test_names_are_unique(objects):
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]
    assert len(names) == len(set(names))


def test_pods_are_locked_down(objects):
    for found in of_kind(objects, "StatefulSet"):
        pod = found["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for one in containers_of(pod):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"name": "RAY_AUTH_MODE", "value": "token"} in one["env"]


def test_each_pod_has_a_claim_and_only_mounts_what_it_has(objects):
    for found in of_kind(objects, "StatefulSet"):
        (claim,) = found["spec"]["volumeClaimTemplates"]
        pod = found["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"]}
        for one in containers_of(pod):
            assert {mount["name"] for mount in one["volumeMounts"]} <= volumes


def test_services_select_pods_that_are_there(objects):
    labels = [
        found["spec"]["template"]["metadata"]["labels"] for found in of_kind(objects, "StatefulSet")
    ]
    for service in of_kind(objects, "Service"):
        selector = service["spec"]["selector"].items()
        assert sum(selector <= label.items() for label in labels) == 1
    names = {service["metadata"]["name"] for service in of_kind(objects, "Service")}
    for found in of_kind(objects, "StatefulSet"):
        assert found["spec"]["serviceName"] in names


def test_probes_ask_the_engine(objects):
    engine = container(objects, "head", "engine")
    assert engine["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert engine["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_values_arrive(helm, tmp_path):
    objects = render(helm, tmp_path, VALUES["everything"])
    _, shards = of_kind(objects, "StatefulSet")
    engine = container(objects, "head", "engine")
    assert {"--shards=5", "--gateways=2", "--insecure"} <= set(engine["args"])
    assert engine["image"] == "registry.test/augenblick:1"
    assert shards["spec"]["replicas"] == 5
    assert shards["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    (plan,) = of_kind(objects, "ConfigMap")
    assert yaml.safe_load(plan["data"]["plan.yaml"]) == yaml.safe_load(VALUES["everything"]["plan"])
    assert not of_kind(objects, "Secret")
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["ingress"][1]["from"] == VALUES["everything"]["gateway"]["from"]


def test_keys_are_made_and_differ(helm, tmp_path):
    (secret,) = of_kind(render(helm, tmp_path, {}), "Secret")
    assert set(secret["data"]) == {"ray-token", "cluster-secret", "shared-key", "write-key"}
    assert len(set(secret["data"].values())) == 4


def test_a_changed_plan_restarts_the_head(helm, tmp_path):
    def mark(values):
        head = of_kind(render(helm, tmp_path, values), "StatefulSet")[0]
        return head["spec"]["template"]["metadata"]["annotations"]["checksum/plan"]

    assert mark({}) != mark({"plan": "plan: other\n"})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"shard": {}}, "shard"),
        ({"shards": {"replicas": 0}}, "replicas"),
        ({"shards": {"replica": 3}}, "replica"),
        ({"shards": {"durability": "never"}}, "durability"),
        ({"gateway": {"service": {"type": "Ingress"}}}, "type"),
    ],
)
def test_wrong_values_are_refused(helm, tmp_path, values, named):
    done = template(helm, tmp_path, values)
    assert done.returncode != 0
    assert named in done.stderr


def test_key_files_are_the_owners_alone(objects):
    """The engine refuses key files that others may read; a Secret with a group is such a file."""
    for found in of_kind(objects, "StatefulSet"):
        pod = found["spec"]["template"]["spec"]
        keys = pod["initContainers"][0]
        assert keys["command"][-1].startswith("umask 077 && cp ")
        for one in containers_of(pod):
            assert "/etc/augenblick/secret" not in str(one["volumeMounts"])
            assert "/etc/augenblick/data-keys" not in str(one["volumeMounts"])


def test_state_lies_on_the_claims_encrypted_if_a_secret_says_so(helm, tmp_path):
    plain = parsed(container(render(helm, tmp_path, {}), "head", "engine")["args"])
    assert (plain["durability"], plain["spares"], plain["key_file"]) == ("fsync", 1, None)
    objects = render(helm, tmp_path, VALUES["everything"])
    given = parsed(container(objects, "head", "engine")["args"])
    assert (given["durability"], given["spares"]) == ("os", 0)
    assert given["key_file"] == Path("/run/augenblick/data-keys")
    for found in of_kind(objects, "StatefulSet"):
        pod = found["spec"]["template"]["spec"]
        (volume,) = (one for one in pod["volumes"] if one["name"] == "data-keys")
        assert volume["secret"]["secretName"] == "shop-data-keys"
        assert volume["secret"]["items"] == [{"key": "data-keys", "path": "data-keys"}]
        mounts = {one["mountPath"] for one in pod["initContainers"][0]["volumeMounts"]}
        assert {"/etc/augenblick/secret", "/etc/augenblick/data-keys"} <= mounts


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What `augenblick` makes of a container's arguments; it refuses what it does not know."""
    assert arguments[0] == "serve"
    return get_command(app).make_context("serve", arguments[1:]).params


def test_the_chart_speaks_the_command_line_of_serve(objects):
    replicas = of_kind(objects, "StatefulSet")[1]["spec"]["replicas"]
    given = parsed(container(objects, "head", "engine")["args"])
    assert (given["shards"], given["shard_nodes"]) == (replicas, replicas)
    (offered,) = (
        argument.partition("=")[2]
        for argument in container(objects, "shard", "ray")["args"]
        if argument.startswith("--resources=")
    )
    assert given["shard_resource"] in json.loads(offered)


def test_ray_starts_before_the_engine_and_ends_after_it(objects):
    pod = of_kind(objects, "StatefulSet")[0]["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["initContainers"]] == ["keys", "ray"]
    assert pod["initContainers"][1]["restartPolicy"] == "Always"
    assert [one["name"] for one in pod["containers"]] == ["engine"]


def test_compose_speaks_the_command_line_of_serve():
    compose = yaml.safe_load((CHART.parent / "compose.yaml").read_text())
    service = compose["services"]["engine"]
    given = parsed(service["command"])
    inside = {int(given[name].rpartition(":")[2]) for name in ("forward", "http")}
    published = [port.split(":") for port in service["ports"]]
    assert {int(port) for *_, port in published} == inside
    assert {host for host, *_ in published} == {"127.0.0.1"}


def test_the_image_speaks_the_command_line():
    lines = (CHART.parent / "Dockerfile").read_text().splitlines()
    (entry,) = (json.loads(one.split(None, 1)[1]) for one in lines if one.startswith("ENTRYPOINT"))
    (command,) = (json.loads(one.split(None, 1)[1]) for one in lines if one.startswith("CMD"))
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    assert set(entry) <= set(project["scripts"])
    assert command == ["--help"]
