"""Layout of the state directory, which later versions must find as earlier ones left it."""

from __future__ import annotations

from pathlib import Path

from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory


def test_files_are_where_earlier_versions_put_them(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    server = state.server
    paths = [
        state.hub_without_workspace,
        state.execution("key"),
        state.result("key"),
        state.worker_record(7),
        state.suspect_lock,
        state.recovery_lock,
        state.setups,
        state.trash,
        state.prices,
        state.retention,
        state.host_name,
        server.note,
        server.users_lock,
        server.supervisor_lock,
        server.supervisor_log,
        server.log,
        server.database,
        server.namespace,
    ]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "hubs/no-workspace.git",
        "executions/key",
        "results/key.json",
        "running/7.worker",
        "running/suspect.lock",
        "running/recovery.lock",
        "setups",
        "trash",
        "prices.json",
        "retention.json",
        "host",
        "server/server.json",
        "server/users.lock",
        "server/guardian.lock",
        "server/guardian.log",
        "server/server.log",
        "server/temporal.db",
        "server/namespace",
    ]


def test_a_workspace_has_one_hub_by_whatever_path_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("workspace")
    state = StateDirectory(tmp_path)
    assert state.hub(f"{tmp_path}/link") == state.hub(f"{tmp_path}/workspace") != state.hub(f"{tmp_path}/other")


def test_every_execution_that_noted_its_id_is_found(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    for number in range(2):
        ExecutionStore(state, f"w{number}", "run").keep_id()
    (tmp_path / "executions/unfinished/run").mkdir(parents=True)
    assert sorted(each.workflow_id for each in ExecutionStore.all(state)) == ["w0", "w1"]
