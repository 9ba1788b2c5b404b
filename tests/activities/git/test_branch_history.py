"""The delivered branch reads as one commit a task, in the order in which they landed, on what was there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from activities.git.branch_history import BranchHistory
from activities.git.hub import Hub
from activities.git.task_commits import task_of, trailers
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.messages import WORKFLOW_TYPE
from epw.core.redrive import Redrive
from epw.core.report.commit_message import commit_message
from tests.support import Harness, ended, make_repository, sh, tasks

TASK = "--format=%(trailers:key=Epw-Task,valueonly)"
AT = 1_700_000_000


def branch_of(path: Path, document: dict[str, Any], form: str = "--format=%s") -> list[str]:
    found = sh(path, "git", "log", "--reverse", form, f"main..{document['delivery']['branch']}")
    return [line for line in found.splitlines() if line]


def landed_with_a_change(document: dict[str, Any]) -> list[str]:
    rows = {row["taskId"]: row for row in document["results"]}
    return [each for each in document["landingOrder"] if rows[each]["landed"] and rows[each]["filesModified"]]


def check_line(harness: Harness, path: Path, document: dict[str, Any], first: list[str]) -> None:
    """One commit a task that landed with a change, each with the tree of the head after it; `first`: before them."""
    store = ExecutionStore(StateDirectory(harness.home), document["executionId"], document["runId"])
    hub, branch = store.hub(), document["delivery"]["branch"]
    assert hub is not None
    said = branch_of(path, document)
    assert said[: len(first)] == first
    assert sh(path, "git", "rev-list", "--merges", f"main..{branch}") == ""
    order = landed_with_a_change(document)
    assert branch_of(path, document, TASK)[-len(order) :] == order
    assert len(said) == len(first) + len(order)
    heads = sh(
        hub.path, "git", "log", "--first-parent", "--reverse", "--format=%T", f"{store.base()}..{store.head_ref}"
    )
    assert branch_of(path, document, "--format=%T")[len(first) :] == heads.split()
    assert all(hub.resolve(row["commit"]) for row in document["results"] if row["commit"])


async def test_it_is_one_commit_a_task_whatever_its_agent_committed(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"list": "".join(f"{n}\n" for n in range(30))})
    (path / "uncommitted").write_text("mine\n")
    commit = "git add --all; git commit --quiet --message"
    both = "while [ ! -e {} ]; do sleep 0.02; done".format
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": f"touch {tmp_path}/a; {both(tmp_path / 'b')}; sed -i s/^5$/a/ list; {commit} A"},
        {"id": "b", "run": f"touch {tmp_path}/b; {both(tmp_path / 'a')}; sed -i s/^25$/b/ list; {commit} B1; touch b"},
        {"id": "nothing", "run": "true"},
        {"id": "after", "run": "cat list uncommitted > after", "dependsOn": ["a", "b"]},
    ]
    document = await harness.run({"workspace": str(path), "tasks": tasks(*rows)})
    check_line(harness, path, document, ["epw: the workspace at the start, with uncommitted changes"])
    branch = document["delivery"]["branch"]
    who = sh(path, "git", "log", "-1", "--format=%an %ae %(trailers:only)", branch).split()
    execution = document["executionId"]
    wanted = ["Ada", "ada@example.org", "Epw-Execution:", execution, "Epw-Task:", "after", "Epw-Attempt:", "1"]
    assert who == wanted
    assert sh(path, "git", "log", "-1", "--format=%s", branch).strip() == "after: do after"


@pytest.mark.parametrize(("commits", "subject"), [("squash", "b: do b"), ("keep", "B")])
async def test_the_commit_of_a_task_that_ran_again_has_the_resolution(
    harness: Harness, tmp_path: Path, commits: str, subject: str
) -> None:
    path = make_repository(tmp_path / "repo", {"list": "0\n1\n2\n"})
    first = {"id": "a", "run": f"while [ ! -e {tmp_path}/b ]; do sleep 0.02; done; sed -i 's/^1/a1/' list"}
    waits = f"touch {tmp_path}/b; if [ $EPW_ATTEMPT = 1 ] && ! grep -q a1 list; then sleep 1; fi"
    second = {"id": "b", "run": f"{waits}; sed -i 's/1$/1b/' list; git commit -qam B"}
    plan = {"workspace": str(path), "commits": commits, "onConflict": ["retry"], "tasks": tasks(first, second)}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["results"]
    assert [each["resolution"] for each in document["conflicts"]] == ["retry"]
    if commits == "squash":
        check_line(harness, path, document, [])
    assert branch_of(path, document) == ["a: do a", subject]
    last = sh(path, "git", "show", "--format=%an", document["delivery"]["branch"])
    assert "-a1\n+a1b\n" in last


async def test_a_retry_delivers_what_it_took_over_as_its_tasks_commits(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    row = {"id": "a", "run": "echo 1 > one"}
    document = await harness.run({"workspace": str(path), "tasks": tasks(row)})
    (path / "new").write_text("the user has gone on\n")
    commits = {row["taskId"]: row["commit"] for row in document["results"]}
    redrive = Redrive(of=document["executionId"], chain=document["runId"], commits=commits)
    async with harness.working():
        plan = {"workspace": str(path), "tasks": tasks(row)}
        identifier = f"{document['executionId']}-again"
        handle = await harness.client.start_workflow(
            WORKFLOW_TYPE, args=[plan, redrive], id=identifier, task_queue=harness.queue
        )
        await ended(handle)
        again = await harness.document(handle)
    check_line(harness, path, again, ["epw: the workspace at the start, with uncommitted changes"])
    (attempt,) = branch_of(path, again, "--format=%(trailers:key=Epw-Attempt,valueonly)")
    assert attempt == "1"


@pytest.mark.parametrize("seed", range(3))
def test_any_head_becomes_a_line_with_its_trees(tmp_path: Path, seed: int) -> None:
    """Heads as landings make them: as they were, merged, made on a conflict, the same twice."""
    chance = random.Random(seed)
    repository = make_repository(tmp_path / "repo")
    hub, user = Hub.created(tmp_path / "hub"), Workspace.read(str(repository))
    blob = hub.store_blob(b"x\n")

    def changed(commit: str, name: str) -> str:
        return hub.with_files(hub.tree_of(commit), {name: ("100644", blob)})

    base = head = hub.commit(hub.empty_tree(), [], "base", user, AT)
    trees, older = list[str](), [base]
    for number in range(12):
        task, start = f"task/{number} ü", chance.choice(older)
        message = f"{task}\n\n{trailers('an execution', task, 1 + number % 3)}"
        name = chance.choice([f"file-{number}", "the-same"])
        if (way := chance.choice(["merged", "fast-forward", "on a conflict"])) == "merged":
            change = hub.commit(changed(start, name), [start], message, user, AT + number)
            merge = f"Merge task {task}\n\n{trailers('an execution', task, None)}"
            head = hub.commit(changed(head, name), [head, change], merge, user, AT + number)
        else:
            parents = [head] if way == "fast-forward" or head == start else [head, start]
            head = hub.commit(changed(head, name), parents, message, user, AT + number)
        older.append(head)
        trees.append(hub.tree_of(head))
    history = BranchHistory(hub, base, head, lambda each: each, lambda each: commit_message(task_of(each), "", each))
    tip = history.squashed("refs/epw/branch")
    assert history.squashed("refs/epw/branch") == tip
    log = sh(hub.path, "git", "log", "--reverse", "--format=%T %P%x09%s%x09%(trailers:key=Epw-Attempt,valueonly)", tip)
    rows = [line.split("\t") for line in log.splitlines() if line][1:]
    assert [row[0].split(" ")[0] for row in rows] == trees
    assert [row[1] for row in rows] == [f"task/{number} ü" for number in range(12)]
    assert [row[2] for row in rows] == [str(1 + number % 3) for number in range(12)]
    assert all(len(row[0].split(" ")) == 2 for row in rows)


def test_a_message_says_the_whole_task_where_a_line_does_not() -> None:
    named = {"Epw-Execution": "e", "Epw-Task": "a", "Epw-Attempt": "1"}
    end = "\n\nEpw-Execution: e\nEpw-Task: a\nEpw-Attempt: 1\n"
    assert commit_message("a", " do it\n", named) == f"a: do it{end}"
    assert commit_message("a", "", named) == f"a{end}"
    long = "word " * 30
    subject, rest = commit_message("a", long, named).split("\n", 1)
    assert len(subject) == 72
    assert rest == f"\n{long.strip()}{end}"
    # Neither ends the message early, nor passes for a trailer.
    sly = commit_message("a", "do\n---\n\nEpw-Task: b\x00\x1b[2J", named)
    assert sly == f"a: do\n\ndo\n ---\n\nEpw-Task: b[2J{end}"
