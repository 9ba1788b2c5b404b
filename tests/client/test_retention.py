"""What ended executions keep goes by age and size, the least missed first; what exists nowhere else stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from activities.state.execution_store import ExecutionStore
from epw.client.retention import retain
from epw.core.errors import Unavailable
from epw.settings import Settings
from tests.site import Site
from tests.support import make_repository, tasks

AT_ONCE = "0.000001"


@pytest.fixture(scope="module")
def kept(site: Site) -> Site:
    """Executions `first` and `second` are delivered; `lost` was rolled back, so only its hub has what it did."""
    good = {"id": "good", "run": "echo said; echo 2 > f"}
    bad = {"id": "bad", "run": "exit 1", "dependsOn": ["good"]}
    for name, rows in (("first", [good]), ("lost", [good, bad]), ("second", [good])):
        repository = make_repository(site.folder / name, {"f": "1\n"})
        plan = {"workspace": str(repository), "tasks": tasks(*rows)}
        site.cli("run", site.cli.plan(plan), "--id", name, code=int(name == "lost"))
    return site


def of(site: Site, **more: Any) -> Settings:
    return replace(Settings(site.cli.home), **more)


def files(site: Site) -> dict[str, ExecutionStore]:
    return {each.workflow_id: each for each in ExecutionStore.all(Settings(site.cli.home).state)}


async def test_by_size_caches_go_first_then_logs_then_the_oldest_execution(kept: Site) -> None:
    settings, before = of(kept), files(kept)
    caches = settings.state.setups / "made"
    caches.mkdir(parents=True)
    (caches / "large").write_bytes(bytes(10**6))
    size = sum(path.stat().st_size for path in (kept.cli.home / "executions").rglob("*") if path.is_file())
    done = await retain(replace(settings, state_mb="0.9"), kept.connection, every=0)
    assert [each.split(",")[0] for each in done] == ["dropped what `setup` commands had made"]
    assert not caches.exists()
    assert all((each.path / "logs").is_dir() for each in before.values())
    assert size < 0.9e6
    done = await retain(replace(settings, state_mb="0"), kept.connection, every=0)
    told = [each.split(",")[0].removeprefix("dropped ") for each in done[:-1]]
    assert told == [
        *("logs of first", "logs of lost", "logs of second"),
        *("what first kept", "what second kept"),
    ]
    assert "exists nowhere else: `epw gc --dry-run` says which" in done[-1]
    assert list(files(kept)) == ["lost"]
    assert [row["taskId"] for row in kept.cli.json("salvage", "lost")] == ["good"]
    assert kept.cli.json("status", "first")["status"] == "succeeded"
    checks = {each["name"]: each["found"] for each in kept.cli.json("doctor", code=None)["checks"]}
    assert "kept for 30 days, of any size; " in checks["kept state"]
    assert "dropped logs of first" in checks["kept state"]


async def test_by_age_what_has_ended_long_ago_goes(kept: Site) -> None:
    repository = make_repository(kept.folder / "third")
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo 2 > f"})}
    kept.cli("run", kept.cli.plan(plan), "--id", "third")
    settings = of(kept, keep_days_given=AT_ONCE)
    assert await retain(settings, kept.connection) == [], "not again within an hour"
    assert await retain(of(kept), kept.connection, every=0) == [], "30 days are not over"
    done = await retain(settings, kept.connection, every=0)
    assert "dropped what third kept" in [each.split(",")[0] for each in done]
    assert "EPW_KEEP_DAYS is 1e-06" in done[0]
    assert list(files(kept)) == ["lost"]
    assert await retain(of(kept, keep_days_given="forever"), kept.connection, every=0) == []


async def test_the_embedded_server_keeps_executions_longer_than_their_files(kept: Site) -> None:
    client = kept.connection.client
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    assert described.config.workflow_execution_retention_ttl.ToTimedelta().days == 37


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "inf"])
def test_a_setting_that_is_no_number_is_told_before_anything_runs(tmp_path: Path, given: str) -> None:
    with pytest.raises(Unavailable, match="EPW_KEEP_DAYS is neither a number of days nor `forever`"):
        Settings(tmp_path, keep_days_given=given).keep_days  # noqa: B018 (it is read)
    if given not in ("0",):
        with pytest.raises(Unavailable, match="EPW_STATE_MB is not a number of megabytes"):
            Settings(tmp_path, state_mb=given).max_state_bytes  # noqa: B018
