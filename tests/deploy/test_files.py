"""The files of the deployment: what they name exists, and nothing runs with more rights than it needs."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client.parser import text_string_to_metric_families

from shoptalk.cli.main import make_app
from shoptalk.serve.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
#: A series of the service in an expression of Prometheus.
SERIES = re.compile(r"\bshoptalk_[a-z_]+\b")


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """The names of all series that the service exports."""
    metrics = Metrics()
    # A metric with labels has series only when it has been used.
    for metric in vars(metrics).values():
        if getattr(metric, "_labelnames", ()):
            metric.labels(*("x" for _ in metric._labelnames))
    names = set()
    for family in text_string_to_metric_families(metrics.text().decode("utf-8")):
        names |= {sample.name for sample in family.samples} | {family.name}
    return names


def documents(path: Path) -> list[dict[str, Any]]:
    return [content for content in yaml.safe_load_all(path.read_text(encoding="utf-8")) if content]


def test_the_dashboard_draws_what_the_service_exports(exported: set[str]) -> None:
    dashboard = json.loads((DEPLOY / "grafana/dashboards/shoptalk.json").read_text(encoding="utf-8"))
    series = {
        name for panel in dashboard["panels"] for target in panel["targets"] for name in SERIES.findall(target["expr"])
    }
    assert len(series) > 8
    assert series <= exported
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_alerts_use_what_the_service_exports_and_name_what_to_do(exported: set[str]) -> None:
    (content,) = documents(DEPLOY / "prometheus/alerts.yml")
    rules = [rule for group in content["groups"] for rule in group["rules"]]
    assert {name for rule in rules for name in SERIES.findall(rule["expr"])} <= exported
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules:
        page, anchor = rule["annotations"]["action"].split("#")
        assert (ROOT / page).is_file()
        assert anchor in anchors, anchor


def test_the_image_does_not_run_as_root() -> None:
    stages = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    assert len(stages) == 3  # the build and the image; what builds it is not in it
    user = re.findall(r"^USER (\d+):(\d+)$", stages[-1], re.MULTILINE)
    assert user == [("10001", "10001")]
    assert "USER" not in stages[1]


def test_containers_have_no_more_rights_than_they_need() -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    for name, service in compose["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "postgres":  # its entry point changes the user
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
    deployment = next(part for part in documents(DEPLOY / "kubernetes/shoptalk.yaml") if part["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("options", ["compose", "kubernetes", "image"])
def test_the_options_of_the_command_exist(options: str) -> None:
    if options == "compose":
        words = documents(DEPLOY / "compose.yaml")[0]["services"]["shoptalk"]["command"]
    elif options == "kubernetes":
        parts = documents(DEPLOY / "kubernetes/shoptalk.yaml")
        deployment = next(part for part in parts if part["kind"] == "Deployment")
        words = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    else:
        words = json.loads(
            re.findall(r"^CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[-1]
        )
    assert words[0] == "serve"
    command: Any = typer.main.get_command(make_app())
    known = {name for parameter in command.commands["serve"].params for name in parameter.opts}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


def test_the_script_makes_passwords_once(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    contents = []
    for _ in range(2):
        subprocess.run([tmp_path / "secrets.sh"], check=True)
        contents.append((tmp_path / ".env").read_text(encoding="utf-8"))
    first, second = contents
    assert first == second
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    passwords = dict(line.split("=", 1) for line in first.splitlines())
    assert set(passwords) == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}
    assert len(set(passwords.values())) == 2
    assert all(len(password) >= 32 for password in passwords.values())


def has_docker() -> bool:
    return (
        shutil.which("docker") is not None
        and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not has_docker(), reason="needs a Docker daemon")
def test_the_image_is_built_and_starts() -> None:
    subprocess.run(["docker", "build", "--tag", "shoptalk:test", "."], cwd=ROOT, check=True)
    run = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "shoptalk:test"]
    assert subprocess.run([*run, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    failed = subprocess.run([*run, "serve", "/runs/nothing"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
