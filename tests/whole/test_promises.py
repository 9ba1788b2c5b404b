"""Promises while somebody else is at work: on the second path too, and for each entry of a list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.conflicts.semantic.languages import LANGUAGES
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence
from activities.state.state_directory import StateDirectory
from epw.core.errors import Fenced, UndoBlocked
from epw.core.execution.compensation import Compensations
from epw.core.execution.delivery import Compensation
from epw.core.execution.reuse import reusable
from epw.core.messages import DELIVER, LAND, ROLL_BACK
from epw.core.plan.graph import TaskGraph
from epw.core.plan.validate import read_plan
from epw.core.schedule.scheduler import Scheduler
from tests.activities.apply.test_apply import Delivery
from tests.command_line import Cli, line_with, stop, wait_for
from tests.site import Site
from tests.support import Harness, ended, make_repository, sh, status_of, statuses, tasks, until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("promises") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


# After a delivery to a branch.


@pytest.mark.parametrize("user", ["does nothing", "commits on it", "moves it elsewhere", "deletes it"])
async def test_a_delivered_branch_goes_with_a_rollback_unless_it_is_the_user_s_by_now(
    site: Site, tmp_path: Path, user: str
) -> None:
    path = make_repository(tmp_path / "work")
    identifier = f"taken-back-{user.replace(' ', '-')}"
    branch = f"epw/{identifier}"
    deed = {
        "does nothing": "true",
        "commits on it": f"git checkout -q {branch} && echo user > user && git add -A && git commit -qm user",
        "moves it elsewhere": f"git branch -f {branch} main",
        "deletes it": f"git branch -D {branch}",
    }[user]
    cancel = site.temporal("workflow", "cancel", "-w", identifier)
    run = ["sh", "-c", f"cd {path} && {{ {deed}; }} > /dev/null 2>&1 && {cancel[2]}"]
    own = "echo 1 > a; git add a; git commit --quiet --message own"
    plan = {"workspace": str(path), "commits": "keep", "tasks": tasks({"id": "a", "run": own})}
    before = sh(path, "git", "rev-parse", "main")
    document = await site.run(plan, identifier, [site.ask("deliver.done", run=run)])
    assert document["status"] == "cancelled"
    branches = sh(path, "git", "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    if user == "commits on it":
        assert sh(path, "git", "show", f"{branch}:user") == "user\n"
    elif user == "moves it elsewhere":
        assert sh(path, "git", "rev-parse", branch) == before
    else:
        assert branches == ["main"]
    assert sh(path, "git", "rev-parse", "main") == before


# Lists, each entry of which counts.

_OTHER = {
    "workspace": "/other",
    "setup": "true",
    "env": {"X": "1"},
    "pass_env": ["X"],
    "logins": ["codex"],
    "include": ["x"],
    "keep": ["x"],
    "network": False,
    "sandbox": "bubblewrap",
}


@pytest.mark.parametrize("name", _OTHER)
def test_each_setting_that_agents_see_makes_a_redrive_run(name: str) -> None:
    given: dict[str, Any] = {"workspace": "/w", "tasks": tasks({"id": "a", "run": "1"})}
    camel = "".join(part.title() if i else part for i, part in enumerate(name.split("_")))
    taken, reasons = reusable(
        read_plan(given), read_plan({**given, camel: _OTHER[name]}), {"a": {"status": "succeeded", "commit": "c"}}
    )
    assert taken == {}
    assert name in reasons["a"]


@pytest.mark.parametrize("name", ["PATH", "LANG", "TERM"])
async def test_each_variable_that_is_allowed_is_there_and_no_other(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"{os.environ['PATH']}:/of-the-user" if name == "PATH" else "of-the-user")
    for other in ("PYTHONPATH", "LD_PRELOAD_X", "AWS_SECRET", "ANTHROPIC_API_KEY", "EDITOR", "LC_ALL"):
        monkeypatch.setenv(other, "C" if other == "LC_ALL" else "leaked")
    path = make_repository(tmp_path / "work")
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": "env > seen"})})
    lines = sh(path, "git", "show", f"{document['delivery']['branch']}:seen").splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    assert seen[name].endswith("of-the-user")
    own = {"PATH", "LANG", "TERM", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"}
    assert {each for each in seen if not each.startswith("EPW_")} <= own
    assert "leaked" not in seen.values()


_DEFINITIONS = {
    "python": [("def f(a): pass", "f"), ("class C: pass", "C"), ("async def g(): pass", "g")],
    "javascript": [
        ("function f(a) {}", "f"),
        ("function* g() {}", "g"),
        ("class C { m() {} }", "C"),
        ("class C { m() {} }", "m"),
    ],
    "typescript": [
        ("function f(a: number) {}", "f"),
        ("class C { m() {} }", "C"),
        ("abstract class A {}", "A"),
        ("interface I {}", "I"),
        ("type T = number", "T"),
        ("enum E { A }", "E"),
    ],
    "go": [
        ("package p\nfunc f() {}", "f"),
        ("package p\ntype T struct{}\nfunc (t T) m() {}", "m"),
        ("package p\ntype T struct{}", "T"),
        ("package p\ntype A = int", "A"),
    ],
    "java": [
        ("class C { void m() {} }", "C"),
        ("class C { void m() {} }", "m"),
        ("class C { C(int a) {} }", "C"),
        ("interface I {}", "I"),
        ("enum E { A }", "E"),
        ("record R(int a) {}", "R"),
    ],
    "rust": [
        ("fn f() {}", "f"),
        ("trait T { fn m(&self); }", "T"),
        ("trait T { fn m(&self); }", "m"),
        ("mod m { fn f() {} }", "m"),
        ("struct S;", "S"),
        ("enum E { A }", "E"),
        ("type T = u8;", "T"),
    ],
}
_DEFINITIONS["tsx"] = _DEFINITIONS["typescript"]


@pytest.mark.parametrize(
    ("language", "text", "name"), [(language, *case) for language, cases in _DEFINITIONS.items() for case in cases]
)
def test_each_kind_of_definition_of_a_language_is_one(language: str, text: str, name: str) -> None:
    record = next(each for each in LANGUAGES if each.name == language)
    assert read_symbols(f"x{record.suffixes[0]}", text.encode()).named(name)


def test_each_language_has_its_kinds_of_definition_tried() -> None:
    assert set(_DEFINITIONS) == {each.name for each in LANGUAGES}


# While it runs.


async def test_pause_holds_what_could_start_on_a_free_agent(harness: Harness, tmp_path: Path) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": wait},
        {"id": "b", "run": "true", "dependsOn": ["a"]},
        {"id": "c", "run": wait},
    ]
    async with harness.working():
        handle = await harness.start({"maxAgents": 5, "tasks": tasks(*rows)})
        await until(handle, lambda now: now["counts"].get("running") == 2)
        await handle.execute_update("pause", {})
        (tmp_path / "go").touch()
        paused = await until(handle, lambda now: now["counts"].get("succeeded") == 2)
        # Agents are free, it is ready, and it waits: until the word, not for a while.
        assert (paused["status"], status_of(paused)["b"]) == ("paused", "ready")
        for _ in range(5):
            await handle.execute_update("set_max_agents", {"maxAgents": 6})
            assert status_of(await handle.query("progress"))["b"] == "ready"
        await handle.execute_update("resume", {})
        assert await ended(handle) is None


async def test_a_second_answer_is_refused_and_changes_nothing(harness: Harness, tmp_path: Path) -> None:
    asks = (
        'if [ -z "${EPW_ANSWER:-}" ]; then echo \'{"question": "which?"}\' >> "$EPW_EVENTS"; exit 75; fi; '
        'while [ ! -e GO ]; do sleep 0.05; done; echo "$EPW_ANSWER" > said'
    ).replace("GO", str(tmp_path / "go"))
    path = make_repository(tmp_path / "work")
    async with harness.working():
        handle = await harness.start({"workspace": str(path), "tasks": tasks({"id": "a", "run": asks})})
        await until(handle, lambda now: now["tasks"][0]["waitingFor"] == "question")
        await handle.execute_update("answer", {"questionId": "q1", "text": "first"})
        with pytest.raises(Exception, match="update failed"):
            await handle.execute_update("answer", {"questionId": "q1", "text": "second"})
        (tmp_path / "go").touch()
        assert await ended(handle) is None
        document = await harness.document(handle)
    assert document["questions"][0]["answer"] == "first"
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:said") == "first\n"


# Exit codes and ids.


@pytest.mark.parametrize(("run", "code", "status"), [("true", 0, "succeeded"), ("false", 1, "failed")])
def test_watch_and_resume_of_what_has_ended_have_its_exit_code(up: Cli, run: str, code: int, status: str) -> None:
    identifier = f"ended-{status}"
    up("run", up.plan({"tasks": tasks({"id": "a", "run": run})}), "--id", identifier, code=code)
    assert up.json("watch", identifier, code=code)["status"] == status
    again = up.json("run", "--resume", identifier, code=code)
    assert (again["executionId"], again["status"]) == (identifier, status)
    assert [row["attempts"] for row in again["results"]] == [2 if code else 1]


def test_watch_of_what_was_cancelled_ends_with_four(up: Cli) -> None:
    up("start", up.plan({"tasks": tasks({"id": "a", "run": "sleep 1000"})}), "--id", "ended-cancelled")
    up("cancel", "ended-cancelled")
    assert up.json("watch", "ended-cancelled", code=4)["status"] == "cancelled"
    assert up.json("run", "--resume", "ended-cancelled", code=4)["status"] == "cancelled"


def test_an_id_that_has_ended_is_not_used_again(up: Cli) -> None:
    plan = up.plan({"tasks": tasks({"id": "a", "run": "true"})})
    up.execute(plan, "once")
    for command in (["run", plan], ["start", plan]):
        assert "exists already" in up(*command, "--id", "once", code=2).stderr
    assert [row["executionId"] for row in up.json("list")].count("once") == 1


# What is saved.


def test_saved_work_never_goes_onto_a_branch_that_exists(up: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    sh(path, "git", "branch", "mine")
    before = sh(path, "git", "rev-parse", "mine")
    rows = tasks({"id": "a", "run": "echo 1 > a; exit 1"})
    up.execute(up.plan({"workspace": str(path), "tasks": rows}), "saved", code=1)
    assert "cannot be made" in up("salvage", "saved", "a", "--branch", "mine", code=2).stderr
    assert "cannot be made" in up("salvage", "saved", "a", "--branch", "main", code=2).stderr
    assert sh(path, "git", "rev-parse", "mine", "main") == before + before


def test_gc_leaves_an_unfinished_rollback_and_a_running_save_alone(up: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    done = up.plan({"workspace": str(path), "deliver": "apply", "tasks": tasks({"id": "a", "run": "echo 1 > a"})})
    up.execute(done, "half")
    (folder,) = (up.home / "executions").glob("half-*/*")
    (folder / "apply").mkdir(exist_ok=True)
    (folder / "apply/blocked").touch()
    began = tmp_path / "began"
    busy = tasks({"id": "a", "run": f"echo 1 > kept; touch {began}; sleep 1000"})
    up("start", up.plan({"workspace": str(path), "tasks": busy}), "--id", "saving")
    wait_for(began.exists)
    found = up.json("gc", "half", "saving", "--yes")
    assert {"half", "saving"} <= set(found["kept"])
    assert found["removed"] == []
    because = {row["executionId"]: row.get("because") for row in found["executions"]["kept"]}
    assert (because["half"], because["saving"]) == ("its roll-back is not finished", "it is running")
    up("cancel", "saving")
    up("watch", "saving", code=4)
    assert [row["files"] for row in up.json("salvage", "saving")] == [["kept"]]


@pytest.mark.parametrize(
    ("deed", "text"),
    [("edits a new file", "user\n"), ("edits a changed file", "user\n"), ("makes a deleted file again", "user\n")],
)
def test_what_the_user_made_of_a_delivery_since_is_not_undone(tmp_path: Path, deed: str, text: str) -> None:
    path = make_repository(tmp_path / "work", {"changed": "1\n", "deleted": "1\n", "other": "1\n"})
    delivery = Delivery(tmp_path, path)
    delivery.apply(delivery.head({"new": "agent\n", "changed": "agent\n", "deleted": None, "other": "agent\n"}))
    name = {"edits a new file": "new", "edits a changed file": "changed"}.get(deed, "deleted")
    (path / name).write_text(text)
    with pytest.raises(UndoBlocked) as blocked:
        delivery.undo()
    assert (path / name).read_text() == text
    assert (path / "other").read_text() == "1\n", "all else is undone"
    assert any(name in command for command in blocked.value.commands)


def test_compensations_are_taken_from_the_newest_back_and_each_kind_once() -> None:
    taken = Compensations()
    for step, to in (("head", "base"), ("apply", None), ("head", "later")):
        taken.register(Compensation(step=step, hub="h", to=to))  # type: ignore[arg-type]
    assert [(each.step, each.to) for each in taken.reversed()] == [("apply", None), ("head", "base")]


def test_surplus_agents_take_nothing_and_what_is_given_up_is_not_told_as_ready() -> None:
    rows: list[dict[str, Any]] = [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d", "dependsOn": ["a"]}]
    scheduler = Scheduler(TaskGraph.of_plan(read_plan({"tasks": tasks(*rows)})), 2)
    first, second = scheduler.next_start(), scheduler.next_start()
    assert first is not None
    assert second is not None
    scheduler.set_max_agents(1)
    scheduler.release_agent(second[0])
    scheduler.release_agent(first[0])
    third = scheduler.next_start()
    assert third is not None
    assert third[1] == 1
    scheduler.abandon("d")
    assert scheduler.landed("a") == []


# Fences.


def test_a_step_is_taken_by_the_newest_alone(tmp_path: Path) -> None:
    def step(run: str, name: str, order: tuple[int, int]) -> bool:
        try:
            check_fence(ExecutionStore(StateDirectory(tmp_path), "w", "first", run), name, order)
        except Fenced:
            return False
        return True

    assert step("first", LAND, (5, 1))
    assert step("first", LAND, (5, 1)), "the same once more"
    assert step("first", LAND, (5, 2)), "a later try"
    assert not step("first", LAND, (5, 1)), "an earlier try, woken up"
    assert step("first", LAND, (9, 1)), "a later activity"
    assert not step("first", LAND, (5, 3)), "an earlier activity, whatever its try"
    assert step("first", DELIVER, (6, 1)), "another step has its own order"
    assert step("reset", LAND, (3, 1)), "a later run begins anew"
    assert not step("first", LAND, (20, 1)), "the run before it is over"
    assert not step("first", ROLL_BACK, (20, 1)), "nor does it undo"
    assert step("reset", ROLL_BACK, (7, 1))
    assert step("reset", ROLL_BACK, (7, 2)), "undoing again"
    assert not step("reset", LAND, (8, 1)), "nothing lands after"
    assert not step("reset", DELIVER, (8, 1)), "nothing is delivered after"


async def test_statuses_are_told_of_a_failed_one_beside_a_cancelled_one(harness: Harness, tmp_path: Path) -> None:
    began = tmp_path / "began"
    rows: list[dict[str, Any]] = [
        {"id": "bad", "run": f"while [ ! -e {began} ]; do sleep 0.05; done; exit 3"},
        {"id": "slow", "run": f"echo half > half; touch {began}; sleep 1000"},
        {"id": "after", "run": "true", "dependsOn": ["slow"]},
    ]
    path = make_repository(tmp_path / "work")
    document = await harness.run({"workspace": str(path), "tasks": tasks(*rows)})
    assert statuses(document) == {"bad": "failed", "slow": "cancelled", "after": "skipped"}
    row = {each["taskId"]: each for each in document["results"]}["slow"]
    # What it had done is saved, and told.
    assert row["filesModified"] == ["half"]
