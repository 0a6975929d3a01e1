"""The manifests of etc/kubernetes name existing programs, ports, objects and metrics.

Nothing is sent to a cluster: the tests read the files, and `kubectl kustomize` renders them.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from support.probes.container_files import (
    CONTAINER,
    KUBERNETES,
    SITE,
    VALUES,
    required_variables,
    stages,
)
from support.probes.program_lines import parse_program
from support.probes.promql import selections
from winchester_core.config import load_settings
from winchester_core.console.options import ConsoleOptions
from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import ConfigurationError
from winchester_core.service.exit import CLEANUP_SECONDS, FLUSH_SECONDS
from winchester_core.telemetry.metrics import METRICS, MetricOrigin
from winchester_core.telemetry.server import LIVENESS_PATH, READINESS_PATH

BASE = KUBERNETES / "base"
NAME = {"app.kubernetes.io/name": "winchester"}
COMPONENT = "app.kubernetes.io/component"


def documents(*names: str) -> list[dict[str, Any]]:
    """Return the objects in files of the base (default: all)."""
    paths = [BASE / name for name in names] or sorted(BASE.glob("*.yaml"))
    return [each for path in paths for each in yaml.safe_load_all(path.read_text())]


OBJECTS = [each for each in documents() if each["kind"] != "Kustomization"]
WORKLOADS = {
    each["metadata"]["labels"][COMPONENT]: each
    for each in OBJECTS
    if each["kind"] in {"Deployment", "Job"}
}
DEPLOYMENTS = sorted(set(WORKLOADS) - {"migration"})


def pod(component: str) -> dict[str, Any]:
    """Return the pod's specification."""
    found: dict[str, Any] = WORKLOADS[component]["spec"]["template"]["spec"]
    return found


def container(component: str) -> dict[str, Any]:
    """Return the only container."""
    (found,) = pod(component)["containers"]
    assert isinstance(found, dict)
    return found


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind."""
    return [each for each in OBJECTS if each["kind"] == kind]


def test_every_file_of_the_base_is_used() -> None:
    resources = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    files = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}
    assert {each for each in resources if "/" not in each} == files
    assert (BASE / "../../container/site").resolve() == SITE


def test_the_site_is_complete() -> None:
    assert set(WORKLOADS) == {"migration", "ingest", "worker", "console"}
    assert WORKLOADS["migration"]["kind"] == "Job"


@pytest.mark.parametrize("component", WORKLOADS)
def test_a_container_starts_an_existing_program_with_valid_options(component: str) -> None:
    parse_program(container(component)["command"])


def test_the_job_migrates_the_tables() -> None:
    assert container("migration")["command"] == ["winchester_db", "upgrade", "head"]


@pytest.mark.parametrize("component", WORKLOADS)
def test_a_pod_is_restricted(component: str) -> None:
    specification, only = pod(component), container(component)
    _, _, image = stages(CONTAINER / "Dockerfile")
    (user,) = [each.value for each in image if each.name == "USER"]
    context = specification["securityContext"]
    assert context["runAsNonRoot"] is True
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert specification["automountServiceAccountToken"] is False
    assert "hostNetwork" not in specification, "the names of workers are those of their hosts"
    assert {"cpu", "memory"} == set(only["resources"]["requests"])
    assert "memory" in only["resources"]["limits"]


@pytest.mark.parametrize("component", DEPLOYMENTS)
def test_probes_ask_the_paths_of_the_programs(component: str) -> None:
    only = container(component)
    ports = {each["name"]: each["containerPort"] for each in only["ports"]}
    _, _, image = stages(CONTAINER / "Dockerfile")
    (environment,) = [each.value for each in image if each.name == "ENV"]
    assert f"WINCHESTER_METRICS_LISTEN=0.0.0.0:{ports['metrics']}" in environment
    for probe, path in (
        ("startupProbe", LIVENESS_PATH),
        ("livenessProbe", LIVENESS_PATH),
        ("readinessProbe", READINESS_PATH),
    ):
        assert only[probe]["httpGet"] == {"path": path, "port": "metrics"}


@pytest.mark.parametrize("component", DEPLOYMENTS)
def test_a_pod_has_time_to_stop(component: str) -> None:
    bound = load_settings(SITE / "winchester.yaml", environ=VALUES).shutdown_timeout
    drain = int(
        container(component).get("lifecycle", {"preStop": {"exec": {"command": ["0"]}}})["preStop"][
            "exec"
        ]["command"][-1]
    )
    needed = bound + 2 * CLEANUP_SECONDS + FLUSH_SECONDS + drain
    assert needed < pod(component)["terminationGracePeriodSeconds"]


def test_services_and_policies_use_the_ports_of_the_programs() -> None:
    settings = load_settings(
        SITE / "winchester.yaml", environ=VALUES, needs={"database", "console"}
    )
    (web,) = settings.event_sources.values()
    listen = parse_program(container("console")["command"]).listen
    ports = {"ingest": web.params["port"], "console": listen[1]}
    for component, port in ports.items():
        named = {each["name"]: each["containerPort"] for each in container(component)["ports"]}
        assert named["http"] == port
    for service in of_kind("Service"):
        (only,) = service["spec"]["ports"]
        assert only["port"] == ports[service["spec"]["selector"][COMPONENT]]
        assert only["targetPort"] == "http"
    assert len(of_kind("Service")) == 2
    opened = {
        each["spec"]["podSelector"]["matchLabels"][COMPONENT]: rule["ports"][0]["port"]
        for each in of_kind("NetworkPolicy")
        if COMPONENT in each["spec"]["podSelector"]["matchLabels"]
        for rule in each["spec"].get("ingress", [])
    }
    assert opened == ports
    # without --insecure: tokens are sent by HTTPS only
    ConsoleOptions.of(settings, listen)


def test_no_policy_selects_pods_of_others() -> None:
    assert all(each["spec"]["podSelector"]["matchLabels"] for each in of_kind("NetworkPolicy"))


def test_budgets_belong_to_the_deployments_with_several_pods() -> None:
    selected = [each["spec"]["selector"]["matchLabels"] for each in of_kind("PodDisruptionBudget")]
    assert selected == [{COMPONENT: "ingest"}, {COMPONENT: "worker"}]


def test_the_autoscaler_reads_a_metric_that_the_programs_have() -> None:
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    (metric,) = scaler["spec"]["metrics"]
    values = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())
    (rule,) = values["rules"]["external"]
    (selected,) = selections(rule["seriesQuery"])
    (source,) = [each for each in METRICS if each.name == selected.name]

    assert metric["external"]["metric"]["name"] == rule["name"]["as"]
    # all processes report the same value, and their sum would mean nothing
    assert source.origin is MetricOrigin.TABLES
    assert rule["metricsQuery"].startswith("max(<<.Series>>")
    assert scaler["spec"]["scaleTargetRef"]["name"] == WORKLOADS["worker"]["metadata"]["name"]
    assert "replicas" not in WORKLOADS["worker"]["spec"]


def test_the_secret_has_every_variable_and_no_valid_value() -> None:
    secret = yaml.safe_load((KUBERNETES / "secret.example.yaml").read_text())
    assert set(secret["stringData"]) == required_variables()
    for component in WORKLOADS:
        (reference,) = container(component)["envFrom"]
        assert reference["secretRef"]["name"] == secret["metadata"]["name"]
    with pytest.raises(ConfigurationError) as caught:
        load_settings(SITE / "winchester.yaml", environ=secret["stringData"])
    for refused in ("signature.secrets", "console.tokens[0].token"):
        assert refused in str(caught.value)


def test_the_example_overlay_has_the_current_version_and_valid_triggers() -> None:
    overlay = yaml.safe_load((KUBERNETES / "example" / "kustomization.yaml").read_text())
    (image,) = overlay["images"]
    assert image["newTag"] == version(DISTRIBUTION)
    triggers = yaml.safe_load((KUBERNETES / "example" / "triggers.yaml").read_text())
    settings = load_settings(
        {
            "database": {"url": "sqlite://"},
            "trigger_definitions": triggers,
            "pipeline_config": str(SITE / "pipelines.yaml"),
        },
        needs={"database", "triggers", "pipelines"},
    )
    assert settings.warnings == ()


def test_the_pod_monitor_gives_the_job_of_the_alerts() -> None:
    monitor = yaml.safe_load((KUBERNETES / "pod-monitor" / "pod-monitor.yaml").read_text())
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert monitor["spec"]["selector"]["matchLabels"] == NAME
    assert NAME[monitor["spec"]["jobLabel"]] == "winchester"
    assert endpoint["port"] == "metrics"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is absent")
@pytest.mark.parametrize("directory", ["base", "example"])
def test_kustomize_renders_all_objects_with_one_configuration(directory: str) -> None:
    rendered = subprocess.run(
        ["kubectl", "kustomize", KUBERNETES / directory],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert rendered.returncode == 0, rendered.stderr
    found = list(yaml.safe_load_all(rendered.stdout))

    kinds = {each["kind"] for each in found}
    assert {each["kind"] for each in OBJECTS} <= kinds
    (configuration,) = [each for each in found if each["kind"] == "ConfigMap"]
    expected = {"winchester.yaml", "triggers.yaml", "pipelines.yaml"}
    assert set(configuration["data"]) == expected
    for each in found:
        if each["kind"] in {"Deployment", "Job"}:
            template = each["spec"]["template"]
            (volume,) = template["spec"]["volumes"]
            assert volume["configMap"]["name"] == configuration["metadata"]["name"]
            assert template["metadata"]["labels"].items() >= NAME.items()
    if directory == "example":
        assert {each["metadata"].get("namespace") for each in found} == {"winchester"}
        triggers = (KUBERNETES / "example" / "triggers.yaml").read_text()
        assert configuration["data"]["triggers.yaml"] == triggers
