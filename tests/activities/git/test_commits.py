"""`commits: keep`: an agent's own commits, as they are, on the delivered branch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.messages import WORKFLOW_TYPE
from epw.core.redrive import Redrive
from tests.activities.git.test_filters import clear_text
from tests.support import Harness, ended, make_repository, sh, tasks

COMMIT = "git add --all; git commit --quiet --message"
FORM = "--format=%an <%ae> %ad: %B"


async def _run(harness: Harness, path: Path, *rows: dict[str, Any], **plan: Any) -> dict[str, Any]:
    document = await harness.run({"workspace": str(path), "commits": "keep", **plan, "tasks": tasks(*rows)})
    assert document["status"] == "succeeded", document["results"]
    return document


def _log(path: Path, branch: str, form: str = "--format=%s") -> list[str]:
    return sh(path, "git", "log", "--reverse", form, f"main..{branch}").splitlines()


async def test_words_authors_and_times_are_as_the_agent_made_them(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    as_bob = "GIT_AUTHOR_NAME=Bob GIT_AUTHOR_EMAIL=bob@example.org GIT_AUTHOR_DATE='1700000000 +0530'"
    run = f"""
        echo 1 > one; git add one; {as_bob} git commit --quiet --message 'One

With a body: ü'
        echo 2 > two; {COMMIT} Two
        git commit --quiet --allow-empty --message Empty
        echo 3 > three
    """
    document = await _run(harness, path, {"id": "a", "run": run})
    branch = document["delivery"]["branch"]
    assert _log(path, branch) == ["One", "Two", "Empty", "a: do a"]
    first = sh(path, "git", "log", "--max-count=1", FORM, "--date=raw", f"{branch}~3")
    assert first.strip() == "Bob <bob@example.org> 1700000000 +0530: One\n\nWith a body: ü"
    assert sh(path, "git", "show", "--name-only", "--format=", branch).split() == ["three"]
    assert sh(path, "git", "log", "--max-count=1", "--format=%an %cn", f"{branch}~2").split() == ["Ada", "Ada"]
    assert document["delivery"]["head"] == sh(path, "git", "rev-parse", branch).strip()
    assert document["delivery"]["files"] == ["one", "three", "two"]
    (row,) = document["results"]
    assert row["filesModified"] == ["one", "three", "two"]


async def test_commits_of_several_are_one_line_each_on_what_was_there(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"list": "".join(f"{n}\n" for n in range(40))})
    rows = [
        {"id": task, "run": f"sed -i s/^{n}$/{task}/ list; {COMMIT} {task}1; echo {task} > {task}; {COMMIT} {task}2"}
        for task, n in (("a", 5), ("b", 30))
    ]
    document = await _run(harness, path, *rows, {"id": "plain", "run": "echo c > c", "dependsOn": ["a", "b"]})
    branch = document["delivery"]["branch"]
    said = _log(path, branch)
    assert sorted([said[:2], said[2:4]]) == [["a1", "a2"], ["b1", "b2"]]
    assert said[4:] == ["plain: do plain"]
    assert sh(path, "git", "rev-list", "--merges", f"main..{branch}") == ""
    for commit, files in zip(["~1", "~2"], ([said[3][0]], ["list"]), strict=True):
        assert sh(path, "git", "show", "--name-only", "--format=", f"{branch}{commit}").split() == files
    lines = sh(path, "git", "show", f"{branch}:list").split()
    assert (lines[5], lines[30]) == ("a", "b")


async def test_what_was_undone_on_the_way_and_what_does_not_merge_ends_as_landed(
    harness: Harness, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "repo", {"list": "0\n1\n2\n"})
    started = tmp_path / "started"
    first = {"id": "a", "run": f"while [ ! -e {started} ]; do sleep 0.05; done; sed -i s/1/a/ list"}
    # Its first commit meets a's line, its last does not: the change merges, the commits do not.
    wait = "git rev-parse HEAD > /dev/null"
    second = {
        "id": "b",
        "run": f"touch {started}; {wait}; sed -i s/1/b/ list; {COMMIT} b1; sed -i s/b/1/ list; echo b > b; {COMMIT} b2",
    }
    document = await _run(harness, path, first, second)
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:list").split() == ["0", "a", "2"]
    assert sh(path, "git", "show", f"{branch}:b") == "b\n"
    assert set(_log(path, branch)) in ({"a: do a", "b: do b"}, {"b1", "b2", "a: do a"})


@pytest.mark.parametrize("passing", [True, False])
async def test_what_a_filter_stores_is_in_no_commit_otherwise(
    harness: Harness, tmp_path: Path, *, passing: bool
) -> None:
    path = make_repository(tmp_path / "repo", {".gitattributes": "*.rot filter=rot\n", "keep": "1\n"})
    sh(path, "git", "config", "filter.rot.clean", "tr a-z n-za-m")
    sh(path, "git", "config", "filter.rot.smudge", "tr a-z n-za-m")
    sh(path, "git", "config", "filter.rot.required", "true")
    first = f"echo canary > x.rot; {COMMIT} First"
    if passing:
        first = f"git config filter.rot.clean cat; {first}; git config filter.rot.clean 'tr a-z n-za-m'; echo 2 > x.rot"
    run = f"{first}; echo 2 > keep; {COMMIT} Second"
    document = await _run(harness, path, {"id": "a", "run": run})
    branch = document["delivery"]["branch"]
    (row,) = document["results"]
    if passing:
        assert _log(path, branch) == ["a: do a"]
        assert "one of them has another x.rot" in row["warnings"][0]
        assert clear_text(harness.home, word=b"canary") == []
    else:
        assert _log(path, branch) == ["First", "Second"]
    assert "canary" not in sh(path, "git", "log", "--patch", branch)


async def test_a_retry_takes_over_the_commits_too(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    row = {"id": "a", "run": f"echo 1 > one; {COMMIT} One; echo 2 > two; {COMMIT} Two"}
    first = await _run(harness, path, row)
    (path / "new").write_text("the user has gone on\n")
    redrive = Redrive(
        of=first["executionId"],
        chain=first["runId"],
        commits={row["taskId"]: row["commit"] for row in first["results"]},
    )
    plan = {"workspace": str(path), "commits": "keep", "tasks": tasks(row)}
    async with harness.working():
        handle = await harness.client.start_workflow(
            WORKFLOW_TYPE, args=[plan, redrive], id=f"{first['executionId']}-again", task_queue=harness.queue
        )
        await ended(handle)
        again = await harness.document(handle)
    assert again["results"][0]["reused"]
    assert _log(path, again["delivery"]["branch"])[-2:] == ["One", "Two"]


async def test_both_sides_of_a_merge_are_kept(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    run = f"""
        git checkout --quiet -b side; echo 1 > one; {COMMIT} One
        git checkout --quiet main; echo 2 > two; {COMMIT} Two; git merge --quiet --no-edit side
    """
    document = await _run(harness, path, {"id": "a", "run": run})
    assert sorted(_log(path, document["delivery"]["branch"])) == ["One", "Two"]


async def test_where_one_does_not_merge_alone_that_is_said(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"list": "0\n1\n2\n"})
    started = tmp_path / "started"
    first = {"id": "a", "run": f"while [ ! -e {started} ]; do sleep 0.05; done; sed -i s/1/a/ list"}
    undone = f"sed -i s/1/b/ list; {COMMIT} b1; sed -i s/b/1/ list; echo b > b; {COMMIT} b2"
    second = {"id": "b", "run": f"touch {started}; {undone}; while [ -e {started} ]; do sleep 0.05; done"}
    release = {"id": "c", "run": f"rm {started}", "dependsOn": ["a"]}
    document = await _run(harness, path, first, second, release)
    assert document["delivery"]["warnings"] == ["b: its commits land as one from 'b1' on"]
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:list").split() == ["0", "a", "2"]


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("ln -s /etc/passwd out; {} link; git rm -q out", "out is a link that leaves the workspace"),
        (
            "git update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,sub;"
            " git commit -qm pointer; git rm -q --cached sub",
            "sets the submodule sub",
        ),
    ],
)
async def test_what_does_not_land_lands_in_no_commit(harness: Harness, tmp_path: Path, deed: str, why: str) -> None:
    path = make_repository(tmp_path / "repo")
    run = f"{deed.replace('{}', COMMIT)}; echo 1 > one; {COMMIT} One"
    document = await _run(harness, path, {"id": "a", "run": run})
    (row,) = document["results"]
    assert any(why in each for each in row["warnings"]), row["warnings"]
    assert _log(path, document["delivery"]["branch"]) == ["a: do a"]


async def test_commits_that_come_to_nothing_are_found_again(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    run = f"echo 1 > one; {COMMIT} Add; git rm -q one; git commit -qm Remove"
    document = await _run(harness, path, {"id": "a", "run": run})
    (left,) = document["results"][0]["leftBehind"]
    hub = ExecutionStore(StateDirectory(harness.home), document["executionId"], document["runId"]).hub()
    assert hub is not None
    listed = sh(hub.path, "git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/epw").splitlines()
    (last,) = [line.split()[0] for line in listed if "/history/" in line]
    assert left["kind"] == "branch"
    assert "Remove\nAdd" in sh(hub.path, "git", "log", "--format=%s", last)
