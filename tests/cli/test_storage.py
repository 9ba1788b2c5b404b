"""Saved changes can be got back until `gc`; `doctor ID` sees what must hold, and what does not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.git.hub import Hub
from activities.state.state_directory import StateDirectory
from epw.cli.invariants import of_document, of_history
from epw.client.collection import used_on_disk
from epw.core.plan.validate import read_plan
from tests.command_line import Cli, line_with, stop, wait_for
from tests.support import make_repository, sh, tasks


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("storage") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


def rolled_back(up: Cli, folder: Path, identifier: str) -> tuple[Path, dict[str, Any]]:
    """A conservative failure: nothing is delivered, all work is saved."""
    repository = make_repository(folder / "repo", {"f": "1\n"})
    rows = tasks(
        {"id": "good work", "run": "echo 2 > f; printf '\\0\\1' > binary"},
        {"id": "half", "run": "echo half > h; exit 1", "dependsOn": ["good work"]},
    )
    plan = {"workspace": str(repository), "tasks": rows}
    return repository, json.loads(up.execute(up.plan(plan), identifier, "--json", code=1).stdout)


def test_salvage_lists_every_saved_work_and_hands_it_out(up: Cli, tmp_path: Path) -> None:
    repository, document = rolled_back(up, tmp_path, "lost")
    assert document["status"] == "rolled_back"
    rows = up.json("salvage", "lost")
    assert [(row["taskId"], row["attempt"], row["files"]) for row in rows] == [
        ("good work", 1, ["binary", "f"]),
        ("half", 1, ["h"]),
        ("half", 2, ["h"]),
    ]
    assert "epw salvage lost half --branch salvaged-half" in up("salvage", "lost").stdout
    told = up("salvage", "lost", "good work", "--branch", "saved").stdout
    assert sh(repository, "git", "show", "saved:f") == "2\n"
    sh(repository, "git", "switch", "--quiet", "--create", "mine")
    sh(repository, "sh", "-c", next(line for line in told.splitlines() if "cherry-pick" in line).split("   ")[0])
    assert sh(repository, "git", "show", "mine:f") == "2\n"
    sh(repository, "git", "switch", "--quiet", "main")
    up("salvage", "lost", "--patches", str(tmp_path / "patches"))
    patches = sorted((tmp_path / "patches").glob("*.patch"))
    assert len(patches) == 3
    sh(repository, "git", "am", "--quiet", str(patches[0]))
    assert (repository / "binary").read_bytes() == b"\0\1"
    assert "--branch needs a TASK" in up("salvage", "lost", "--branch", "x", code=2).stderr


def test_gc_says_what_would_go_and_removes_nothing_unasked(up: Cli, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = up.plan({"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo 2 > f"})})
    before = json.loads(up.execute(plan, "delivered", "--json").stdout)
    for options in ([], ["--dry-run"]):
        done = up("gc", *options, code=None)
        assert done.returncode == (0 if options else 2)
        assert "to be removed: delivered (1 saved changes" in done.stderr
        assert "nothing removed" in done.stdout
    assert up.json("salvage", "delivered")[0]["files"] == ["f"]
    used = used_on_disk(StateDirectory(up.home))
    found = up.json("gc", "--yes")
    assert "delivered" in found["removed"]
    assert found["freedBytes"] == used - used_on_disk(StateDirectory(up.home)) > 0
    assert up.json("salvage", "delivered") == []
    # Results say what they said.
    after = up.json("status", "delivered")
    assert after["results"] == before["results"]
    assert after["delivery"] == before["delivery"]
    assert "1 file" in up("status", "delivered").stdout


def test_gc_keeps_what_exists_nowhere_else_unless_that_is_named(up: Cli, tmp_path: Path) -> None:
    repository, document = rolled_back(up, tmp_path, "old")
    hang = up.plan({"workspace": str(repository), "tasks": tasks({"id": "a", "run": "sleep 1000"})})
    up("start", hang, "--id", "busy")
    wait_for(lambda: up.json("status", "busy")["results"][0]["status"] == "running")
    done = up("gc", "--yes", "--json")
    assert "kept: old (3 of its saved changes exist nowhere else: `epw salvage old` shows what is saved" in done.stderr
    assert "kept: busy (it is running)" in done.stderr
    assert json.loads(done.stdout)["removed"] == []
    assert len(up.json("salvage", "old")) == 3
    assert up.json("gc", "--days", "1", "old", "--yes")["removed"] == []
    assert up.json("gc", "old", "--yes")["removed"] == ["old"]
    assert up.json("salvage", "old") == []
    removed = "`epw gc` has removed"
    assert f"nothing is saved any more: {removed} it" in up("salvage", "old").stdout
    assert f"{removed} it" in up("logs", "old", "half").stderr
    assert f"the changes of 'old' are gone: {removed} them" in up("drop", "old", "good work", code=2).stderr
    hub = Hub(StateDirectory(up.home).hub(str(repository))).path
    for row in document["results"]:
        assert row["commit"] not in sh(hub, "git", "for-each-ref", "--format=%(objectname)")
    assert "nothing is saved here of 'none'" in up("gc", "none", code=2).stderr
    assert "'bussy'; did you mean busy?" in up("gc", "bussy", code=2).stderr
    assert up.json("status", "busy")["status"] == "running"
    up("cancel", "busy")
    up("watch", "busy", code=4)


def test_what_the_user_has_removed_since_exists_nowhere_else(up: Cli, tmp_path: Path) -> None:
    """A delivered branch that is gone, and delivered files that were changed."""
    repository = make_repository(tmp_path / "repo")
    for deliver, name in (("branch", "branched"), ("apply", "applied")):
        rows = tasks({"id": "a", "run": f"echo 2 > {deliver}"})
        up.execute(up.plan({"workspace": str(repository), "deliver": deliver, "tasks": rows}), name)
        assert name in up.json("gc", "--dry-run")["wouldRemove"]
    sh(repository, "git", "branch", "-D", "epw/branched")
    (repository / "apply").write_text("3\n")
    found = up.json("gc", "--dry-run")
    assert {"branched", "applied"} <= set(found["kept"])


def test_what_stands_in_the_users_history_is_kept_no_more_and_not_offered_first(up: Cli, tmp_path: Path) -> None:
    repository, _ = rolled_back(up, tmp_path, "again")
    up("salvage", "again", "half", "--branch", "picked")
    sh(repository, "git", "cherry-pick", "picked")
    sh(repository, "git", "branch", "-D", "picked")
    rows = up.json("salvage", "again")
    assert [(row["taskId"], row["existsNowhereElse"]) for row in rows] == [
        *(("good work", True), ("half", False), ("half", False)),
    ]
    assert "epw salvage again 'good work' --branch salvaged-good-work" in up("salvage", "again").stdout
    done = up("gc", "--dry-run")
    assert "kept: again (1 of its saved changes exists nowhere else" in done.stderr
    up("salvage", "again", "good work", "--branch", "saved")
    sh(repository, "git", "merge", "--squash", "saved")
    sh(repository, "git", "commit", "--quiet", "--message", "mine")
    sh(repository, "git", "branch", "-D", "saved")
    assert "again" in up.json("gc", "--dry-run")["wouldRemove"]


def test_doctor_examines_an_execution(up: Cli, tmp_path: Path) -> None:
    repository, _ = rolled_back(up, tmp_path, "sound")
    assert up.json("doctor", "sound") == {"success": True, "executionId": "sound", "violations": []}
    leftover = next((up.home / "executions").glob("sound-*/*")) / "attempts/left"
    leftover.mkdir(parents=True)
    try:
        assert any("I12" in line for line in up.json("doctor", "sound", code=1)["violations"])
    finally:
        shutil.rmtree(leftover.parent)
    hub = Hub(StateDirectory(up.home).hub(str(repository))).path
    for root, _, files in os.walk(hub / "refs/epw"):
        for name in files:
            Path(root, name).unlink()
    (hub / "packed-refs").unlink(missing_ok=True)
    sh(hub, "git", "prune", "--expire=now")
    assert any("is gone" in line for line in up.json("doctor", "sound", code=1)["violations"])


def test_each_invariant_is_seen_where_it_is_broken(up: Cli, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    document = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "tasks": tasks({"id": "a", "run": "echo 1 > a"}, {"id": "b", "run": "echo 2 > b", "dependsOn": ["a"]}),
    }
    plan, found = read_plan(document), json.loads(up.execute(up.plan(document), "examined", "--json").stdout)
    assert list(of_document(plan, found)) == []

    def broken(**rows: dict[str, Any]) -> str:
        copy = json.loads(json.dumps(found))
        for row in copy["results"]:
            row.update(rows.get(row["taskId"], {}))
        copy["metrics"] |= rows.get("metrics", {})
        return " ".join(of_document(plan, copy))

    assert "I1" in broken(b={"startedAt": 1})
    assert "I2" in broken(metrics={"peakConcurrency": 99})
    assert "I3" in broken(a={"status": "running"})
    assert "I5" in broken(a={"landed": False})
    assert "I5" in broken(a={"status": "skipped"})
    assert "I6" in broken(metrics={"sequentialDuration": 7})
    assert "I7" in broken(a={"filesModified": []})
    cut: Any = {**found, "results": found["results"][:1]}
    assert "I3" in " ".join(of_document(plan, cut))
    assert list(of_history(plan, found, [])) == []


def test_what_a_killed_merge_check_left_is_removed(up: Cli, tmp_path: Path) -> None:
    place = make_repository(tmp_path / "repo", {"a.py": "A = 1\n", "b.py": "B = 1\n", ".gitignore": ".venv\n"})
    for name in ("a", "b"):
        sh(place, "git", "checkout", "--quiet", "-b", name, "main")
        (place / f"{name}.py").write_text("C = 1\n")
        sh(place, "git", "commit", "--quiet", "--all", "--message", name)
    program = place / ".venv/bin/ty"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nwhile true; do sleep 1; done\n")
    program.chmod(0o755)
    process = up.popen("merge-check", str(place), "a", "b", "--checks", "ty")
    wait_for(lambda: any(up.home.glob("executions/merge-check-*/*/logs")))
    rows = up.json("gc", "--yes")["executions"]["kept"]
    process.kill()
    process.communicate()
    assert "it is running" in [each["because"] for each in rows if each["executionId"].startswith("merge-check")]
    assert any(each.startswith("merge-check") for each in up.json("gc", "--yes")["removed"])
    assert not any(up.home.glob("executions/merge-check-*"))


def test_what_is_lost_of_a_directorys_hub_is_named_and_stops_nothing(up: Cli, tmp_path: Path) -> None:
    repository, document = rolled_back(up, tmp_path, "broken")
    hub = Hub(StateDirectory(up.home).hub(str(repository)))
    lost = document["results"][1]["commit"]
    (hub.path / "objects" / lost[:2] / lost[2:]).unlink()
    assert "objects are missing, so that these saved changes are lost" in up("status", "broken").stdout
    assert "objects are missing" in up("salvage", "broken").stderr
    assert "good work" in {row["taskId"] for row in up.json("salvage", "broken")}
    assert "I7: the commit of half is gone" in up("doctor", "broken", code=1).stdout
    plan = up.plan({"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo 3 > g"})})
    assert json.loads(up.execute(plan, "after", "--json").stdout)["status"] == "succeeded"
    done = up("gc", "--yes")
    assert "kept: broken (objects are missing" in done.stderr
    assert "nothing of" not in done.stderr
    assert "broken" in up.json("gc", "broken", "--yes")["removed"]
