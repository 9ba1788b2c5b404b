"""Tasks that run again because of each other come to an end: none is left out that could land."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Cli
from tests.support import Harness, ended, make_repository, sh, statuses, tasks, until

# Lines of code: no structure of the file merges them.
CODE = "".join(f"step_{n}(old)\n" for n in range(8))


async def _landed(harness: Harness, path: Path, rows: list[dict[str, Any]], **plan: Any) -> dict[str, Any]:
    """The document of an execution in which every row has an agent, and all land."""
    whole = {"workspace": str(path), "strategy": "aggressive", "maxAgents": len(rows), **plan, "tasks": tasks(*rows)}
    document = await harness.run(whole)
    assert document["status"] == "succeeded", document["conflicts"]
    return document


def _reruns(document: dict[str, Any]) -> list[str]:
    return [conflict["resolution"] for conflict in document["conflicts"]]


@pytest.mark.parametrize("strategy", ["aggressive", "conservative"])
async def test_who_collides_in_one_place_runs_again_once_each(harness: Harness, tmp_path: Path, strategy: str) -> None:
    path, runs = make_repository(tmp_path / "repo", {"steps.x": CODE}), tmp_path / "runs"
    rows = [{"id": f"t{n}", "run": f"echo more_{n} >> steps.x; echo {n} >> {runs}; sleep 0.2"} for n in range(6)]
    document = await _landed(harness, path, rows, strategy=strategy, onQuestion={"wait": False})
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:steps.x").count("more_") == 6
    # On what landed before it, and not beside the others that run again: once is enough.
    assert len(runs.read_text().split()) == 6 + 5


@pytest.mark.parametrize("strategy", ["aggressive", "conservative"])
async def test_each_its_own_line_of_one_file_all_land(harness: Harness, tmp_path: Path, strategy: str) -> None:
    path = make_repository(tmp_path / "repo", {"steps.x": CODE})
    rows = [{"id": f"t{n}", "run": f"sed -i 's/step_{n}(old)/step_{n}(new)/' steps.x"} for n in range(8)]
    document = await _landed(harness, path, rows, strategy=strategy, onQuestion={"wait": False})
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:steps.x") == CODE.replace("old", "new")
    assert all(each == "retry" for each in _reruns(document))
    # Each runs again for those that landed before it, and once is enough.
    assert len(document["conflicts"]) <= 7
    assert all(each.get("tried", []) in ([], ["merge"]) for each in document["conflicts"])


@pytest.mark.parametrize(
    ("name", "line"),
    [("TODO.md", "- [ ] step {}\n"), ("t.md", "| {} | old |\n"), ("data.csv", "{},old\n"), (".gitignore", "old{}\n")],
)
async def test_lines_that_are_records_merge_without_a_rerun(
    harness: Harness, tmp_path: Path, name: str, line: str
) -> None:
    path = make_repository(tmp_path / "repo", {name: "".join(line.format(n) for n in range(10))})
    rows = [{"id": f"t{n}", "run": f"sed -i '{n + 1}s/$/ new{n}/' {name}; sleep 0.3"} for n in range(10)]
    document = await _landed(harness, path, rows)
    assert set(_reruns(document)) <= {"merge"}
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:{name}").count("new") == 10


async def test_thirty_keys_of_one_json_file_land_without_a_rerun(harness: Harness, tmp_path: Path) -> None:
    content = "{\n" + ",\n".join(f'  "k{n}": 0' for n in range(30)) + "\n}\n"
    path = make_repository(tmp_path / "repo", {"a.json": content})
    rows = [{"id": f"t{n}", "run": f'sed -i \'s/"k{n}": 0/"k{n}": 1/\' a.json; sleep 0.2'} for n in range(30)]
    document = await _landed(harness, path, rows)
    assert set(_reruns(document)) <= {"merge"}
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:a.json").count(": 1") == 30


CHECK = '#!/bin/sh\nd=$(ls steps | cut -c1 | sort | uniq -d); test -z "$d" || { echo "number $d twice"; exit 7; }\n'


def _numbered(path: Path) -> Path:
    make_repository(path, {"steps/1_init": "1\n", "check.sh": CHECK})
    return path


NEXT = "echo 1 > steps/$(( $(ls steps | wc -l) + 1 ))_{}"


async def test_who_turns_the_head_red_runs_again_on_it_and_is_told_why(harness: Harness, tmp_path: Path) -> None:
    path = _numbered(tmp_path / "repo")
    told = '; test -z "${{EPW_CONFLICT-}}" || echo "$EPW_CONFLICT" > told'
    rows = [{"id": name, "run": (NEXT + told).format(name)} for name in ("a", "b", "c")]
    plan = {"workspace": str(path), "strategy": "aggressive", "verify": "sh check.sh", "onConflict": ["retry", "skip"]}
    document = await harness.run({**plan, "maxAgents": 3, "tasks": tasks(*rows)})
    assert document["status"] == "succeeded", document["conflicts"]
    branch = document["delivery"]["branch"]
    numbers = [name[0] for name in sh(path, "git", "ls-tree", "--name-only", f"{branch}:steps").split()]
    assert sorted(numbers) == ["1", "2", "3", "4"]
    red = [each for each in document["conflicts"] if each["kind"] == "verify"]
    assert {each["resolution"] for each in red} == {"retry"}
    assert [(each["command"], each["exitCode"]) for each in red] == [("sh check.sh", 7)] * len(red)
    assert all("number 2 twice" in each["output"] or "number 3 twice" in each["output"] for each in red)
    assert "twice" in sh(path, "git", "show", f"{branch}:told")


async def test_who_turns_it_red_again_is_left_out(harness: Harness, tmp_path: Path) -> None:
    path = _numbered(tmp_path / "repo")
    rows = [{"id": "good", "run": "echo 1 > steps/2_good"}, {"id": "bad", "run": "sleep 1; echo 1 > steps/1_bad"}]
    plan = {"workspace": str(path), "strategy": "aggressive", "verify": "sh check.sh", "onConflict": ["retry", "skip"]}
    document = await harness.run({**plan, "tasks": tasks(*rows)})
    assert document["status"] == "partial"
    assert [row["status"] for row in document["results"]] == ["succeeded", "conflicted"]
    assert [(each["tried"], each["resolution"]) for each in document["conflicts"]] == [(["retry"], "skip")]


@pytest.mark.parametrize("strategy", ["aggressive", "conservative"])
async def test_who_merges_onto_a_red_head_is_not_blamed_for_it(harness: Harness, tmp_path: Path, strategy: str) -> None:
    path = make_repository(tmp_path / "repo", {"shared": CODE})
    edit = f"until test -e {tmp_path}/go.{{0}}; do sleep 0.05; done; sed -i '{{1}}s/old/{{0}}/' shared"
    rows = tasks(
        {"id": "bad", "run": "touch poison; sed -i 1s/old/bad/ shared"},
        {"id": "child", "run": "touch child", "dependsOn": ["bad"]},
        *({"id": name, "run": edit.format(name, line)} for name, line in (("one", 4), ("two", 7))),
    )
    plan = {"workspace": str(path), "strategy": strategy, "verify": "test ! -e poison", "maxAgents": 4, "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        for landed, opens in (("child", "one"), ("one", "two")):
            await until(handle, lambda progress, landed=landed: _succeeded(progress, landed))
            (tmp_path / f"go.{opens}").touch()
        await ended(handle)
        document, history = await harness.document(handle), await handle.fetch_history()
    verified = history.to_json().count('"name": "verify"')
    if strategy == "conservative":
        assert document["status"] == "rolled_back"
        assert document["conflicts"] == []
        assert verified == 4, "the base too, so that nobody is blamed for what was red before"
        return
    assert document["status"] == "partial"
    assert statuses(document) == {"bad": "conflicted", "child": "skipped", "one": "succeeded", "two": "succeeded"}
    assert [(each["kind"], each["tasks"]) for each in document["conflicts"]] == [("verify", ["bad"])]
    branch = document["delivery"]["branch"]
    lines = sh(path, "git", "show", f"{branch}:shared").split()
    assert [line for line in lines if "old" not in line] == ["step_3(one)", "step_6(two)"]
    assert sh(path, "git", "ls-tree", "--name-only", branch).split() == ["shared"]
    # After each merge, before the first of them, the base and one more in the bisection, and the end: none twice.
    assert verified == 6


def _succeeded(progress: dict[str, Any], task_id: str) -> bool:
    return any(each["taskId"] == task_id and each["status"] == "succeeded" for each in progress["tasks"])


def test_retry_starts_on_what_it_takes_over(tmp_path: Path, temporal_binary: str) -> None:
    path, cli = _numbered(tmp_path / "repo"), Cli(tmp_path / "home", temporal_binary)
    go = tmp_path / "go"
    rows = tasks(
        {"id": "slow", "run": f"test -e {go} || exit 1; test -e steps/2_quick; echo 1 > late"},
        {"id": "quick", "run": "echo 1 > steps/2_quick"},
    )
    document = cli.json("run", cli.plan({"workspace": str(path), "strategy": "aggressive", "tasks": rows}), code=1)
    assert document["status"] == "partial"
    go.touch()
    again = cli.json("retry", document["executionId"])
    assert again["status"] == "succeeded", again["results"]
