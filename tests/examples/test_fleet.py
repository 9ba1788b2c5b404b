"""The files of examples/fleet, as far as they can be read without the programs that they are for."""

from __future__ import annotations

import inspect
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile

from epw.cli.worker import worker
from epw.core.plan.validate import read_plan
from epw.core.queues import MAX_LABELS
from epw.service.worker_options import WorkerOptions

FOLDER = Path(__file__).parents[2] / "examples/fleet"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
KUBERNETES: list[dict[str, Any]] = [yaml.safe_load(path.read_text()) for path in (FOLDER / "kubernetes").glob("*.yaml")]
WORKERS = {name: each for name, each in COMPOSE["services"].items() if name.startswith("worker")}


def options_of(arguments: list[str]) -> WorkerOptions:
    """What a worker makes of its arguments; fails for one that it does not know."""
    known = inspect.getsource(worker)
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    for name in given:
        assert f'"{name}"' in known
    labels = (given["--label"],) if "--label" in given else ()
    return WorkerOptions(int(given["--slots"]), labels, timedelta(seconds=float(given["--grace"])))


@pytest.mark.parametrize("name", WORKERS)
def test_a_container_has_longer_to_end_than_its_agents(name: str) -> None:
    minutes = int(WORKERS[name]["stop_grace_period"].removesuffix("m"))
    assert options_of(WORKERS[name]["command"]).grace < timedelta(minutes=minutes)


def test_a_pod_has_longer_to_end_than_its_agents() -> None:
    pod = next(each for each in KUBERNETES if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert options_of(container["args"]).grace < timedelta(seconds=pod["terminationGracePeriodSeconds"])
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["volumes"]}
    named = {each["metadata"]["name"] for each in KUBERNETES}
    assert {ref["name"] for source in container["envFrom"] for ref in source.values()} <= named


def test_what_services_name_is_there() -> None:
    volumes, services = set(COMPOSE["volumes"]), set(COMPOSE["services"])
    for service in COMPOSE["services"].values():
        assert {each.split(":")[0] for each in service.get("volumes", [])} <= volumes
        assert set(service.get("depends_on", {})) <= services
        if "build" in service:
            root = FOLDER / service["build"]["context"]
            assert (root / service["build"]["dockerfile"]).is_file()
            assert (root / "pyproject.toml").is_file()


def test_no_port_is_open_to_other_machines() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_plan_is_for_the_workers_and_the_repository_that_there_are() -> None:
    plan = read_plan(yaml.safe_load((FOLDER / "plan.yaml").read_text()), runnable=False)
    labels = {label for worker in WORKERS.values() for label in options_of(worker["command"]).labels}
    assert {need for task in plan.tasks for need in task.needs} == labels
    assert len(labels) <= MAX_LABELS
    assert plan.workspace is not None
    assert plan.workspace.removeprefix("ssh://git@git") in (FOLDER / "git-server.sh").read_text()


@pytest.mark.parametrize("profile", ["compose", "cloud-key", "cloud-mtls"])
def test_temporal_reads_the_profiles(profile: str) -> None:
    found = ClientConfigProfile.load(
        profile, config_source=FOLDER / "temporal.toml", disable_env=True, config_file_strict=True
    )
    assert found.address is not None
    assert found.address.endswith(":7233")
    assert (found.tls is not None) == (profile != "compose")
    assert (found.tls is not None and found.tls.client_cert is not None) == (profile == "cloud-mtls")


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    for shell in ("sh", "dash", "bash"):
        if shutil.which(shell):
            assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
