"""Conflicts end by the steps of `onConflict`, and no side is lost without a decision that has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.plan.validate import read_plan
from tests.messages_api import Turn
from tests.scripted import FINISH, Claude
from tests.support import Harness, check_invariants, ended, make_repository, offered, sh, statuses, tasks, until

BASE = {"shared": "one\ntwo\nthree\n"}


def plan(path: Path, b: str = "sed -i 's/two/from b/' shared", **more: Any) -> dict[str, Any]:
    """Task a lands first, then b, which began beside it."""
    rows = tasks(
        {"id": "a", "run": "sed -i 's/two/from a/' shared", "priority": 1},
        {"id": "b", "run": f'test -n "${{EPW_CONFLICT:-}}" || sleep 0.7; {b}'},
    )
    return {"workspace": str(path), "strategy": "aggressive", "tasks": rows, **more}


def shared(path: Path, document: dict[str, Any]) -> str:
    return sh(path, "git", "show", f"{document['delivery']['branch']}:shared")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "work", BASE)


async def test_retry_runs_the_task_on_what_has_landed_and_both_sides_stay(harness: Harness, path: Path) -> None:
    document = await harness.run(plan(path, "echo from b >> shared; sed -i '2s/$/ b/' shared"))
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}
    assert shared(path, document) == "one\nfrom a b\nthree\nfrom b\n"
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["resolution"], conflict["decidedBy"]) == ("lines", "retry", "strategy")
    assert conflict["tried"] == ["merge"]
    assert "overwrote" not in conflict
    assert conflict["hunks"][0]["ours"] == "from a\n"
    assert [row["attempts"] for row in document["results"]] == [1, 1]


async def test_a_command_that_would_overwrite_the_other_side_does_not_land(harness: Harness, path: Path) -> None:
    document = await harness.run(plan(path, "printf 'one\\nfrom b\\nthree\\n' > shared"))
    assert statuses(document) == {"a": "succeeded", "b": "conflicted"}
    assert shared(path, document) == "one\nfrom a\nthree\n"
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["tried"]) == ("skip", ["merge", "retry"])
    assert "removed lines of the other side in shared" in conflict["description"]
    # Its work is still the one that did not merge.
    assert document["results"][1]["filesModified"] == ["shared"]


async def test_what_a_person_prefers_lands_although_it_overwrites(harness: Harness, path: Path) -> None:
    given = plan(path, "printf 'one\\nfrom b\\nthree\\n' > shared", onConflict=["retry", "prefer:b"])
    document = await harness.run(given)
    assert shared(path, document) == "one\nfrom b\nthree\n"
    assert (document["conflicts"][0]["resolution"], document["conflicts"][0]["decidedBy"]) == ("prefer:b", "plan")


async def test_the_agent_is_told_what_changed_under_it(harness: Harness, path: Path) -> None:
    told = await harness.run(plan(path, 'echo "${EPW_CONFLICT:-}" > told; sed -i "2s/$/ b/" shared'))
    document = sh(path, "git", "show", f"{told['delivery']['branch']}:told")
    assert '"paths":["shared"]' in document
    assert '"taskId":"a"' in document


@pytest.mark.parametrize(
    ("steps", "status", "text"),
    [
        (["prefer:a"], "succeeded", "one\nfrom a\nthree\n"),
        (["prefer:b"], "succeeded", "one\nfrom b\nthree\n"),
        (["merge", "skip"], "conflicted", "one\nfrom a\nthree\n"),
        (["agent", "skip"], "conflicted", "one\nfrom a\nthree\n"),
        (["prefer:else", "skip"], "conflicted", "one\nfrom a\nthree\n"),
    ],
)
async def test_the_plan_s_steps_are_tried_in_order(
    harness: Harness, path: Path, steps: list[str], status: str, text: str
) -> None:
    given = plan(path, onConflict=steps)
    given["tasks"] += tasks({"id": "else", "run": "true"})
    document = await harness.run(given)
    assert statuses(document) == {"a": "succeeded", "b": status, "else": "succeeded"}
    assert shared(path, document) == text
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["decidedBy"]) == (steps[-1], "plan")
    assert conflict.get("passedOver", []) == [step for step in steps if step in ("agent", "prefer:else")]


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(
    ("a", "b", "made"),
    [
        ("echo a > x", "mkdir x; echo b > x/y", {"a": ["x"], "b": ["x/y"]}),
        ("mkdir x; echo a > x/y", "echo b > x", {"a": ["x/y"], "b": ["x"]}),
        ("ln -s shared x", "mkdir x; echo b > x/y", {"a": ["x"], "b": ["x/y"]}),
        ("mkdir x; echo a > x/y", "ln -s shared x", {"a": ["x/y"], "b": ["x"]}),
        ("mv shared x", "mv shared y", {"a": ["x"], "b": ["y"]}),
        ("mv shared x", "rm shared", {"a": ["x"], "b": []}),
    ],
)
async def test_either_side_can_be_preferred_whatever_they_are(
    harness: Harness, path: Path, a: str, b: str, made: dict[str, list[str]], side: str
) -> None:
    given = plan(path, b, onConflict=[f"prefer:{side}"])
    given["tasks"][0]["run"] = a
    document = await harness.run(given)
    assert document["conflicts"][0]["resolution"] == f"prefer:{side}"
    listed = sh(path, "git", "ls-tree", "-r", "--name-only", document["delivery"]["branch"]).split()
    assert [each for each in listed if each != "shared"] == made[side]


async def test_rollback_undoes_everything(harness: Harness, path: Path) -> None:
    document = await harness.run(plan(path, onConflict=["rollback"]))
    assert document["status"] == "rolled_back"
    assert document["conflicts"][0]["resolution"] == "rollback"


@pytest.mark.parametrize(
    ("choice", "status", "text"),
    [
        ("prefer:b", "succeeded", "one\nfrom b\nthree\n"),
        ("skip", "partial", "one\nfrom a\nthree\n"),
        ("rollback", "rolled_back", ""),
    ],
)
async def test_a_person_is_asked_with_the_options_and_decides(
    harness: Harness, path: Path, choice: str, status: str, text: str
) -> None:
    given = plan(path, onConflict=["ask"])
    async with harness.working():
        handle = await harness.start(given)
        await until(handle, lambda progress: progress["tasks"][1]["waitingFor"] == "question")
        (conflict,) = await handle.query("conflicts")
        assert conflict["resolution"] is None
        (question,) = await handle.query("questions")
        assert question["options"] == [str(step) for step in offered("lines", "b", "a")]
        for nonsense in ({"conflictId": "c1", "choice": "guess"}, {"conflictId": "c9", "choice": "skip"}):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update("resolve_conflict", nonsense)
        await handle.execute_update("resolve_conflict", {"conflictId": "c1", "choice": choice})
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan(given), document, handle, harness.home)
    assert document["status"] == status
    assert (document["conflicts"][0]["resolution"], document["conflicts"][0]["decidedBy"]) == (choice, "user")
    if text:
        assert shared(path, document) == text


async def test_what_a_person_leaves_out_undoes_nothing_else(harness: Harness, path: Path) -> None:
    given = plan(path, onConflict=["ask"], strategy="conservative")
    given["tasks"] += tasks({"id": "after", "run": "true", "dependsOn": ["b"]}, {"id": "else", "run": "echo 1 > else"})
    async with harness.working():
        handle = await harness.start(given)
        await until(handle, lambda progress: progress["tasks"][1]["waitingFor"] == "question")
        await handle.execute_update("resolve_conflict", {"conflictId": "c1", "choice": "skip"})
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan(given), document, handle, harness.home)
    assert document["status"] == "partial"
    assert statuses(document) == {"a": "succeeded", "b": "conflicted", "after": "skipped", "else": "succeeded"}
    assert document["conflicts"][0]["decidedBy"] == "user"


async def test_a_person_whose_choice_costs_a_side_is_asked_again(harness: Harness, path: Path) -> None:
    given = plan(path, onConflict=["ask"])
    async with harness.working():
        handle = await harness.start(given)
        for choice in ("retry", "prefer:a"):
            asked = 1 if choice == "retry" else 2
            await until(handle, lambda progress: progress["tasks"][1]["waitingFor"] == "question")
            questions = await handle.query("questions")
            assert len(questions) == asked
            await handle.execute_update("resolve_conflict", {"conflictId": "c1", "choice": choice})
        await ended(handle)
        document = await harness.document(handle)
    again = document["questions"][1]["text"]
    assert again.startswith("Conflict c1: retry has not settled it: ")
    assert "did not make its change of shared again" in again
    assert shared(path, document) == "one\nfrom a\nthree\n"
    assert (document["conflicts"][0]["resolution"], document["conflicts"][0]["decidedBy"]) == ("prefer:a", "user")


@pytest.mark.parametrize(
    "b",
    [
        "sed -i 's/two/from b/' shared",
        "sed -i '/two/d' shared",
        "sed -i 's/two/from b/' shared; echo b > beside",
        "sed -i 's/two/from b/; s/three/3/' shared",
        'test -n "${EPW_CONFLICT:-}" || rm shared',
    ],
    ids=["changes nothing", "deletes nothing", "does something else", "does a part", "does not delete"],
)
@pytest.mark.parametrize("strategy", ["aggressive", "conservative"])
async def test_a_task_that_does_not_make_its_change_again_has_not_succeeded(
    harness: Harness, path: Path, b: str, strategy: str
) -> None:
    given = plan(path, b, strategy=strategy, onQuestion={"wait": False})
    document = await harness.run(given)
    assert (statuses(document)["b"], document["success"]) == ("conflicted", False)
    assert document["conflicts"][0]["tried"][:2] == ["merge", "retry"]
    if strategy == "aggressive":
        assert shared(path, document) == "one\nfrom a\nthree\n"


async def test_a_change_that_somebody_else_has_made_meanwhile_need_not_be_made_again(
    harness: Harness, path: Path
) -> None:
    """The first run met a's; when it runs again, what it was to do is there."""
    given = plan(path, "sed -i 's/two/both/' shared; cat /dev/null")
    given["tasks"][0]["run"] = "printf 'one\\nboth\\nthree\\nfour\\n' > shared"
    given["tasks"][1]["run"] += "; test -n \"${EPW_CONFLICT:-}\" || echo 4 >> shared; sed -i 's/^4$/four/' shared"
    document = await harness.run(given)
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}, document["conflicts"]


async def test_what_is_overwritten_beside_the_conflict_is_named_too(harness: Harness, path: Path) -> None:
    given = plan(path, "printf 'one\\nfrom b\\nthree\\n' > shared; echo b > beside", onConflict=["retry"])
    given["tasks"][0]["run"] += "; echo a > beside"
    document = await harness.run(given)
    assert document["conflicts"][0]["paths"] == ["beside", "shared"]
    assert statuses(document)["b"] == "conflicted"


@pytest.mark.parametrize("steps", [["retry"], ["prefer:a"], ["prefer:b"], ["skip"], ["rollback"], ["ask", "skip"]])
@pytest.mark.parametrize(
    "b", ["sed -i 's/two/from b/' shared; echo b >> shared", "printf 'one\\nfrom b\\nthree\\n' > shared"]
)
async def test_each_side_is_in_the_result_or_its_loss_has_a_name(
    harness: Harness, path: Path, steps: list[str], b: str
) -> None:
    document = await harness.run(plan(path, b, onConflict=steps, onQuestion={"wait": False}))
    (conflict,) = document["conflicts"]
    found = shared(path, document) if document["delivery"]["branch"] else ""
    resolution = conflict["resolution"]
    named = {
        "a": resolution in ("prefer:b", "rollback") or conflict.get("overwrote") == ["shared"],
        "b": resolution in ("prefer:a", "skip", "rollback") or conflict.get("dropped") == ["shared"],
    }
    for side in "ab":
        assert f"from {side}" in found or named[side], (side, found, conflict)
    assert conflict["decidedBy"] == ("strategy" if steps == ["retry"] and resolution == "skip" else "plan")


async def test_a_task_that_cannot_be_done_again_goes_on_with_the_next_step(harness: Harness, path: Path) -> None:
    run = 'test -z "${EPW_CONFLICT:-}"; sed -i "s/two/from b/" shared'
    document = await harness.run(plan(path, run, onConflict=["retry", "prefer:b"]))
    assert document["status"] == "succeeded", document["results"]
    assert shared(path, document) == "one\nfrom b\nthree\n"
    assert document["conflicts"][0]["resolution"] == "prefer:b"
    assert document["conflicts"][0]["tried"] == ["retry"]


async def test_who_gets_no_answer_goes_on_with_the_next_step(harness: Harness, path: Path) -> None:
    document = await harness.run(plan(path, onConflict=["ask", "prefer:b"], onQuestion={"wait": False}))
    assert shared(path, document) == "one\nfrom b\nthree\n"
    assert document["conflicts"][0]["tried"] == ["ask"]


LIB = {"lib.py": "def total(items):\n    return 1\n\n\ndef other():\n    return 2\n", "app.py": "import lib\n"}


async def test_a_renamed_function_and_a_new_call_of_it_do_not_land_together(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    rows = tasks(
        {"id": "renames", "run": "sed -i 's/total/grand_total/' lib.py", "priority": 1},
        {"id": "calls", "run": "sleep 0.7; printf 'def run():\\n    return lib.total([])\\n' >> app.py"},
    )
    document = await harness.run(
        {"workspace": str(path), "strategy": "aggressive", "onConflict": ["skip"], "tasks": rows}
    )
    assert statuses(document) == {"renames": "succeeded", "calls": "conflicted"}
    (conflict,) = document["conflicts"]
    assert (conflict["type"], conflict["kind"]) == ("semantic", "semantic")
    assert conflict["tasks"] == ["calls", "renames"]
    assert sorted(conflict["paths"]) == ["app.py", "lib.py"]
    assert "total is used in app.py:3" in conflict["description"]


async def test_a_moved_module_and_a_new_import_of_it_do_not_land_together(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", {"shop/__init__.py": "", "shop/a.py": LIB["lib.py"], "app.py": "x = 1\n"})
    rows = tasks(
        {"id": "moves", "run": "mv shop/a.py shop/b.py", "priority": 1},
        {"id": "imports", "run": "sleep 0.7; printf 'from shop.a import total\n' >> app.py"},
        {
            "id": "guards",
            "run": "sleep 0.7; printf 'try:\n    import shop.a\nexcept ImportError:\n    pass\n' > new.py",
        },
    )
    document = await harness.run(
        {"workspace": str(path), "strategy": "aggressive", "onConflict": ["skip"], "tasks": rows}
    )
    assert statuses(document) == {"moves": "succeeded", "imports": "conflicted", "guards": "succeeded"}
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["tasks"]) == ("semantic", ["imports", "moves"])
    assert "the module shop.a is imported in app.py:2 and was moved or removed" in conflict["description"]


async def test_changes_that_fit_are_no_conflict(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    rows = tasks(
        {"id": "a", "run": "sed -i 's/return 1/return 11/' lib.py"},
        {"id": "b", "run": "sleep 0.5; printf 'def run():\\n    return lib.total([])\\n' >> app.py"},
        {"id": "c", "run": "sleep 0.5; echo 1 > new.py"},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded"
    assert document["conflicts"] == []


async def test_an_agent_merges_both_and_its_commit_has_both_parents(claude: Claude, path: Path) -> None:
    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        if task == "a":
            return [Turn(calls=[write("one\nfrom a\nthree\n")]), Turn(calls=[FINISH])][turn]
        again = "did not merge" in str(request["messages"][0])
        if again:
            assert "conflict markers are in: shared" in str(request["messages"][0])
            assert "do a" in str(request["messages"][0])
            merged = [Turn(calls=[write("one\n<<<<<<< x\nthree\n")]), Turn(calls=[FINISH])]
            fixed = [Turn(calls=[write("one\nfrom a and b\nthree\n")]), Turn(calls=[FINISH])]
            return [*merged, *fixed][turn]
        slow = Turn(calls=[("Bash", {"command": "sleep 2"})])
        return [slow, Turn(calls=[write("one\nfrom b\nthree\n")]), Turn(calls=[FINISH])][turn]

    def write(text: str) -> tuple[str, dict[str, Any]]:
        return ("Write", {"file_path": "shared", "content": text})

    claude.script(script)
    rows = tasks({"id": "a", "priority": 1}, {"id": "b"})
    given = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["agent", "skip"], "tasks": rows}
    document = await claude.run(given)
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}, document["results"]
    assert shared(path, document) == "one\nfrom a and b\nthree\n"
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["decidedBy"]) == ("agent", "agent:b")
    hub = ExecutionStore(StateDirectory(claude.home), document["executionId"], document["runId"]).hub()
    assert hub is not None
    parents = sh(hub.path, "git", "log", "-1", "--format=%P", document["results"][1]["commit"]).split()
    texts = [sh(hub.path, "git", "show", f"{parent}:shared") for parent in parents]
    assert texts == ["one\nfrom a\nthree\n", "one\nfrom b\nthree\n"]
    # Markers that were left were told, and cost an attempt.
    assert document["results"][1]["attempts"] == 2


BINARY = {"picture": "\0base", "shared": "one\ntwo\nthree\n"}


@pytest.mark.parametrize(
    ("a", "b", "name", "seen"),
    [
        (
            "printf '\\0a' > picture",
            "printf '\\0b' > picture",
            "picture",
            {"picture~landed": "\0a", "picture~b": "\0b"},
        ),
        ("rm shared", "sed -i s/two/2/ shared", "shared", {"shared~b": "one\n2\nthree\n"}),
        ("sed -i s/two/2/ shared", "rm shared", "shared", {"shared~landed": "one\n2\nthree\n"}),
        ("ln -s picture new", "ln -s shared new", "new", {"new~landed": "\0base", "new~b": "one\ntwo\nthree\n"}),
        ("mkdir new; echo a > new/x", "echo b > new", "new", {"new~b": "b\n", "new/x": "a\n"}),
    ],
    ids=["binary", "deleted there", "deleted here", "links", "a file and a directory"],
)
async def test_what_has_no_lines_to_merge_stands_beside_for_the_agent_and_does_not_land(
    claude: Claude, tmp_path: Path, a: str, b: str, name: str, seen: dict[str, str]
) -> None:
    path = make_repository(tmp_path / "repo", BINARY)
    looks = "; ".join(f"cat '{each}'" for each in seen)
    # An agent's own commit would bring even what is ignored.
    decides = f"{looks}; rm -rf {name}; echo both > {name}; git add -A; git commit -qm mine"
    results: list[str] = []

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        first = str(request["messages"][0])
        if "did not merge" not in first:
            run = a if task == "a" else f"sleep 2; {b}"
            return [Turn(calls=[("Bash", {"command": run})]), Turn(calls=[FINISH])][turn]
        assert "conflict markers are in" not in first
        assert all(each in first for each in seen if "~" in each), first
        results.append(str(request["messages"][-1]))
        return [Turn(calls=[("Bash", {"command": decides})]), Turn(calls=[FINISH])][turn]

    claude.script(script)
    rows = tasks({"id": "a", "priority": 1}, {"id": "b"})
    given = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["agent", "skip"], "tasks": rows}
    document = await claude.run(given)
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}, document["results"]
    assert document["conflicts"][0]["decidedBy"] == "agent:b"
    for content in seen.values():
        assert content.strip("\0\n").replace("\n", "\\n") in results[1].replace("\\\\n", "\\n"), results[1]
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:{name}") == "both\n"
    assert "~" not in sh(path, "git", "ls-tree", "-r", "--name-only", branch)
    for commit in sh(path, "git", "rev-list", branch).split():
        assert "~" not in sh(path, "git", "ls-tree", "-r", "--name-only", commit)


async def test_an_agent_has_both_sides_of_an_encoded_file_decoded(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"plain": "1\n"})
    for command in ("clean", "smudge"):
        sh(path, "git", "config", f"filter.rot.{command}", "tr a-z n-za-m")
    (path / ".gitattributes").write_text("*.secret filter=rot\n")
    (path / "a.secret").write_text("one\ntwo\nthree\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "encoded")

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        run = f"sed -i s/two/from-{task}/ a.secret" if task == "a" else f"sleep 2; sed -i s/two/from-{task}/ a.secret"
        if "did not merge" in str(request["messages"][0]):
            run = "grep -h from 'a.secret~landed' 'a.secret~b' > both; grep -c '<' a.secret > marks || true"
            run += "; cp both a.secret"
        return [Turn(calls=[("Bash", {"command": run})]), Turn(calls=[FINISH])][turn]

    claude.script(script)
    rows = tasks({"id": "a", "priority": 1}, {"id": "b"})
    document = await claude.run({"workspace": str(path), "onConflict": ["agent", "skip"], "tasks": rows})
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:both") == "from-a\nfrom-b\n"
    assert sh(path, "git", "show", f"{branch}:marks") == "0\n"
    assert sh(path, "git", "show", f"{branch}:a.secret") == "sebz-n\nsebz-o\n"


@pytest.mark.parametrize("asked", [False, True])
async def test_a_preferred_side_lands_although_a_file_became_a_directory(
    harness: Harness, tmp_path: Path, asked: bool
) -> None:
    path = make_repository(tmp_path / "work", {"shared": "one\n", "t": "t\n"})
    rows = tasks(
        {"id": "turns", "run": "rm t; mkdir t; echo in > t/in"},
        {"id": "a", "run": "rm shared", "dependsOn": ["turns"]},
        {"id": "b", "run": f"until test -e {tmp_path}/go; do sleep 0.05; done; echo from b >> shared"},
    )
    steps = ["ask"] if asked else ["prefer:b", "skip"]
    async with harness.working():
        handle = await harness.start(
            {"workspace": str(path), "strategy": "aggressive", "onConflict": steps, "maxAgents": 3, "tasks": rows}
        )
        await until(handle, lambda progress: progress["counts"].get("succeeded") == 2)
        (tmp_path / "go").touch()
        if asked:
            await until(handle, lambda progress: progress["tasks"][2]["waitingFor"] == "question")
            await handle.execute_update("resolve_conflict", {"conflictId": "c1", "choice": "prefer:b"})
        await ended(handle)
        document = await harness.document(handle)
    (conflict,) = document["conflicts"]
    assert (conflict["tasks"], conflict["paths"], conflict["resolution"]) == (["b", "a"], ["shared"], "prefer:b")
    assert shared(path, document) == "one\nfrom b\n"
    assert len(document["questions"]) == asked
