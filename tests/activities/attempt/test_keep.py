"""Ignored results that a plan keeps: listed in the result, had by later tasks and by `epw artifacts`, until `gc`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.git import kept_files
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from tests.activities.git.test_filters import clear_text, filtered_repository
from tests.command_line import Cli, line_with, stop
from tests.support import Harness, ended, fingerprint, make_repository, sh, tasks

IGNORED = {".gitignore": "dist/\n*.xml\n", "a.txt": "a\n"}
BUILD = (
    "mkdir -p dist/sub && printf 'one\\n' > dist/one.bin"
    " && printf '#!/bin/sh\\n' > dist/sub/tool && chmod +x dist/sub/tool"
)


BUILDS = tasks({"id": "a", "run": BUILD})


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("keep") / "home", temporal_binary, {"EPW_KEPT_MB": "0.005"})
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


def _kept(document: dict[str, Any], task: str) -> dict[str, str]:
    (row,) = [row for row in document["results"] if row["taskId"] == task]
    return {each["path"]: each["sha256"] for each in row["kept"]}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_ignored_results_are_kept_beside_the_change(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    row = {"id": "a", "run": f"{BUILD}; echo x > junit.xml; echo y > other.xml; echo b > b.txt"}
    plan = {"workspace": str(path), "keep": ["dist/**"], "tasks": tasks({**row, "keep": ["junit.xml"]})}
    document = await harness.run(plan)
    (found,) = document["results"]
    assert found["filesModified"] == ["b.txt"]
    assert found["kept"] == [
        {"path": "dist/one.bin", "bytes": 4, "sha256": _sha256("one\n")},
        {"path": "dist/sub/tool", "bytes": 10, "sha256": _sha256("#!/bin/sh\n")},
        {"path": "junit.xml", "bytes": 2, "sha256": _sha256("x\n")},
    ]
    assert not (path / "dist").exists()


async def test_only_what_is_kept_is_no_warning_and_what_was_not_made_is_one(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    rows = tasks(
        {"id": "made", "run": BUILD, "keep": ["dist"]},
        {"id": "none", "run": "true", "keep": ["coverage.xml"]},
        {"id": "tracked", "run": "echo b > a.txt", "keep": ["a.txt"]},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    warned = {row["taskId"]: row.get("warnings") or [] for row in document["results"]}
    assert warned == {"made": [], "none": ["keep: nothing was made that coverage.xml names"], "tracked": []}


async def test_names_content_and_modes_of_any_kind_come_back(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {**IGNORED, ".gitattributes": "* text eol=crlf ident\n"})
    odd = 'dist/a b"\\\n\u00e9'
    run = f"mkdir dist; printf '$Id$\\r\\n\\0' > {_quoted(odd)}; ln -s /etc/passwd dist/link; : > dist/empty"
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run, "keep": ["dist"]})})
    assert _kept(document, "a") == {odd: _sha256("$Id$\r\n\0"), "dist/empty": _sha256("")}
    (row,) = document["results"]
    assert row["warnings"] == ["keep: dist/link: outside of the working directory"]
    execution = ExecutionStore(StateDirectory(harness.home), document["executionId"], document["runId"])
    hub = execution.hub()
    assert hub is not None
    (commit,) = kept_files.newest(hub, execution.ref("kept")).values()
    assert kept_files.write(hub, commit, tmp_path / "to") == sorted([odd, "dist/empty"])
    assert (tmp_path / "to" / odd).read_bytes() == b"$Id$\r\n\0"


def _quoted(text: str) -> str:
    return "$'" + text.replace("\\", "\\\\").replace("\n", "\\n").replace("'", "\\'") + "'"


async def test_a_failed_attempt_s_report_is_kept_and_the_newest_counts(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    run = "echo $EPW_ATTEMPT > report.xml; [ $EPW_ATTEMPT = 1 ] || exit 1; exit 2"
    plan = {"workspace": str(path), "strategy": "aggressive", "tasks": tasks({"id": "a", "run": run})}
    document = await harness.run({**plan, "keep": ["*.xml"]})
    assert document["status"] == "failed"
    assert _kept(document, "a") == {"report.xml": _sha256("4\n")}


async def test_a_later_task_has_what_those_before_it_kept(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {**IGNORED, "out": "tracked\n"})
    rows = tasks(
        {"id": "build", "run": BUILD, "keep": ["dist/**"]},
        {"id": "between", "run": "true", "dependsOn": ["build"]},
        {"id": "use", "run": "./dist/sub/tool; cat dist/one.bin > used", "dependsOn": ["between"], "include": ["dist"]},
        {"id": "not-asked", "run": "[ ! -e dist ]", "dependsOn": ["build"]},
        {"id": "part", "run": "ls dist > part", "dependsOn": ["build"], "include": ["dist/*.bin"]},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:used") == "one\n"
    assert sh(path, "git", "show", f"{branch}:part") == "one.bin\n"
    assert "dist" not in sh(path, "git", "ls-tree", "-r", "--name-only", branch)


async def test_what_was_to_be_included_and_nobody_kept_fails_the_task(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    rows = tasks(
        {"id": "build", "run": "true", "keep": ["dist/**"]},
        {"id": "use", "run": "true", "dependsOn": ["build"], "include": ["dist"]},
    )
    document = await harness.run({"workspace": str(path), "strategy": "aggressive", "tasks": rows})
    (error,) = [row["error"] for row in document["results"] if row["taskId"] == "use"]
    assert error["type"] == "IncludeMissing"
    assert "dist" in error["message"]


async def test_a_task_s_include_that_nobody_can_have_is_refused(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    rows = tasks({"id": "use", "run": "true", "include": ["dist"]}, {"id": "o", "run": "true", "keep": ["dist"]})
    async with harness.working():
        error = await ended(await harness.start({"workspace": str(path), "tasks": rows}))
    assert f"tasks[0].include[0]: dist is not in {path}" in str(error)


def test_over_the_quota_is_said_with_the_size_and_not_kept(up: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    rows = tasks(
        {"id": "a", "run": "mkdir dist; head -c 3000 /dev/zero > dist/a; head -c 3000 /dev/zero > dist/b"},
        {"id": "b", "run": "mkdir dist; head -c 3000 /dev/zero > dist/c", "dependsOn": ["a"]},
    )
    document = up.json("run", up.plan({"workspace": str(path), "keep": ["dist"], "tasks": rows}))
    assert [[each["path"] for each in row["kept"]] for row in document["results"]] == [["dist/a"], []]
    told = "keep: dist/{} (0.0 MB) is over the quota of {} MB (EPW_KEPT_MB)"
    assert document["results"][0]["warnings"] == [told.format("b", 0.005)]
    assert document["results"][1]["warnings"] == [told.format("c", 0.005)]


def test_artifacts_lists_and_fetches_and_overwrites_nothing(up: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    rows = tasks({"id": "a/1", "run": BUILD}, {"id": "b", "run": "mkdir dist; echo two > dist/one.bin"})
    plan = up.plan({"workspace": str(path), "keep": ["dist/**"], "tasks": rows})
    up("run", plan, "--id", "x")
    listed = up.json("artifacts", "x")
    assert [(each["taskId"], each["path"]) for each in listed] == [
        ("a/1", "dist/one.bin"),
        ("a/1", "dist/sub/tool"),
        ("b", "dist/one.bin"),
    ]
    assert "dist/sub/tool" in up("artifacts", "x", "a/1").stdout
    to = tmp_path / "to"
    up("artifacts", "x", "a/1", "--to", str(to))
    assert (to / "dist/one.bin").read_text() == "one\n"
    assert (to / "dist/sub/tool").stat().st_mode & 0o100
    up("artifacts", "x", "a/1", "--to", str(to))
    (to / "dist/one.bin").write_text("the user's\n")
    before = fingerprint(to)
    refused = up("artifacts", "x", "a/1", "--to", str(to), code=2)
    assert "dist/one.bin" in refused.stderr
    assert fingerprint(to) == before
    all_to = tmp_path / "all"
    written = up.json("artifacts", "x", "--to", str(all_to))
    assert {Path(each["file"]).read_text() for each in written if each["path"] == "dist/one.bin"} == {"one\n", "two\n"}
    assert up("artifacts", "x", "nobody", code=2).stderr
    kept_because = up.json("gc", "--yes")["executions"]["kept"]
    assert "x" in [each["executionId"] for each in kept_because]
    before_gc = up.json("status", "x")["results"]
    up("gc", "--yes", "x")
    assert up.json("artifacts", "x") == []
    assert [row["kept"] for row in up.json("status", "x")["results"]] == [row["kept"] for row in before_gc]


def test_a_retry_takes_over_what_was_kept(up: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    flag = tmp_path / "flag"
    rows = tasks(
        {"id": "build", "run": BUILD, "keep": ["dist/**"]},
        {
            "id": "use",
            "run": f"[ -e {flag} ]; cat dist/one.bin > used",
            "dependsOn": ["build"],
            "include": ["dist/one.bin"],
        },
    )
    plan = up.plan({"workspace": str(path), "strategy": "aggressive", "tasks": rows})
    up("run", plan, "--id", "first", code=1)
    flag.touch()
    again = up.json("retry", "first", "--id", "second")
    assert again["status"] == "succeeded"
    assert [row.get("reused", False) for row in again["results"]] == [True, False]
    assert sorted(_kept(again, "build")) == ["dist/one.bin", "dist/sub/tool"]
    assert sh(path, "git", "show", "epw/second:used") == "one\n"


async def test_of_tasks_in_turn_the_later_one_s_files_count(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    (path / "dist").mkdir()
    (path / "dist/users").write_text("the user's\n")
    again = "rm dist/old; rm -r dist/r; echo file > dist/r"
    rows = tasks(
        {"id": "one", "run": "mkdir -p dist/r; echo 1 > dist/r/x; echo 1 > dist/old; echo 1 > dist/same"},
        {"id": "two", "run": again, "dependsOn": ["one"], "include": ["dist"]},
        {"id": "three", "run": "ls dist > told; cat dist/r >> told", "dependsOn": ["two"], "include": ["dist"]},
    )
    document = await harness.run({"workspace": str(path), "keep": ["dist"], "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    told = sh(path, "git", "show", f"{document['delivery']['branch']}:told").split()
    assert told == ["r", "same", "users", "file"]


async def test_what_lands_anyway_satisfies_an_include(harness: Harness, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.mkdir()
    rows = tasks(
        {"id": "build", "run": BUILD, "keep": ["dist"]},
        {"id": "use", "run": "cat dist/one.bin > used", "dependsOn": ["build"], "include": ["dist"]},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    assert (path / "used").read_text() == "one\n"


async def test_without_a_workspace_whatever_is_named_is_kept(harness: Harness) -> None:
    rows = tasks(
        {"id": "build", "run": BUILD, "keep": ["dist/**"]},
        {"id": "use", "run": "./dist/sub/tool; cat dist/one.bin", "dependsOn": ["build"], "include": ["dist"]},
    )
    document = await harness.run({"tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    assert sorted(_kept(document, "build")) == ["dist/one.bin", "dist/sub/tool"]


async def test_what_a_filter_is_to_encode_is_not_kept_in_clear(harness: Harness, tmp_path: Path) -> None:
    path = filtered_repository(tmp_path / "repo", "crypt")
    (path / ".gitignore").write_text("dist/\n")
    run = "mkdir dist; echo 'made of swordfish' > dist/x.secret; echo 1 > dist/x"
    document = await harness.run({"workspace": str(path), "keep": ["dist"], "tasks": tasks({"id": "a", "run": run})})
    assert list(_kept(document, "a")) == ["dist/x"]
    (warning,) = document["results"][0]["warnings"]
    assert warning == "keep: dist/x.secret is for the filter 'git-crypt', and would be in clear"
    assert clear_text(harness.home) == []


def test_a_quota_that_is_none_and_a_place_that_is_none_are_told(up: Cli, tmp_path: Path) -> None:
    odd = Cli(up.home, up.temporal, {"EPW_KEPT_MB": "abc"})
    assert "EPW_KEPT_MB is not a number of megabytes: 'abc'" in odd.popen(script="worker.py").communicate()[0]
    plan = up.plan({"workspace": str(make_repository(tmp_path / "repo", IGNORED)), "keep": ["dist"], "tasks": BUILDS})
    up("run", plan, "--id", "nowhere")
    (tmp_path / "file").write_text("")
    for to in ("", str(tmp_path / "file")):
        assert "--to names a directory" in up("artifacts", "nowhere", "--to", to, code=2).stderr
