"""Content filters: what is stored is what the user's git would have stored, and agents see what it would check out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from activities.attempt.unsaved import remove_attempts, unsaved
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.conflicts.textual.new_attributes import encode_by_new_attributes
from activities.git.changes import changed_blobs, changed_paths
from activities.git.hub import Hub
from activities.git.merge import merge
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.cli.invariants import of_machine
from epw.core.report.model import ExecutionResult
from tests.support import Harness, failure_type, make_repository, sh, some_slow, tasks

CANARY = "canary swordfish"
_ROT = "tr a-z n-za-m"


def _rot(path: Path) -> None:
    for command in ("clean", "smudge"):
        sh(path, "git", "config", f"filter.rot.{command}", _ROT)


def _salted(path: Path) -> None:
    """Filter whose blob of the same text differs each time."""
    sh(path, "git", "config", "filter.salted.clean", f'printf "%s\\n" $$ $(date +%N) | tr -d "\\n"; echo; {_ROT}')
    sh(path, "git", "config", "filter.salted.smudge", f"tail -n +2 | {_ROT}")


def _lfs(path: Path) -> None:
    sh(path, "git", "lfs", "install", "--local", "--force")


def _crypt(path: Path) -> None:
    sh(path, "git-crypt", "init")


KINDS: dict[str, tuple[str, Callable[[Path], None], str | None]] = {
    "rot": ("rot", _rot, None),
    "salted": ("salted", _salted, None),
    "lfs": ("lfs", _lfs, "git-lfs"),
    "crypt": ("git-crypt", _crypt, "git-crypt"),
}


def filtered_repository(path: Path, kind: str) -> Path:
    name, configure, program = KINDS[kind]
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install {program})")
    make_repository(path)
    configure(path)
    (path / "deep").mkdir()
    (path / ".gitattributes").write_text(f"*.secret filter={name}\n")
    (path / "door.secret").write_text(f"{CANARY} one\n")
    (path / "deep/door.secret").write_text(f"{CANARY} two\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "locked")
    assert b"swordfish" not in _stored(path, "HEAD:door.secret")
    return path


def _output(argv: list[str], folder: Path, said: bytes) -> bytes:
    return subprocess.run(argv, cwd=folder, input=said, capture_output=True, check=True).stdout


def _stored(path: Path, name: str) -> bytes:
    return subprocess.run(["git", "show", name], cwd=path, capture_output=True, check=True).stdout


def clear_text(state: Path, *repositories: Path, word: bytes = b"swordfish") -> list[str]:
    """Places that hold the canary: what we have stored, and objects of these repositories."""
    found = [str(path) for path in state.rglob("*") if path.is_file() and word in path.read_bytes()]
    for repository in (*(state / "hubs").glob("*.git"), *repositories):
        argv = ["git", "cat-file", "--batch-all-objects", "--batch", "--buffer"]
        objects = subprocess.run(argv, cwd=repository, capture_output=True, check=True).stdout
        found += [str(repository)] if word in objects else []
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_what_nobody_changed_keeps_its_blob_and_what_agents_write_is_stored_encoded(
    harness: Harness, tmp_path: Path, kind: str
) -> None:
    path = filtered_repository(tmp_path / "it's 100%f", kind)
    for name in ("door.secret", "deep/door.secret"):
        os.utime(path / name, (1, 1))
    rows = tasks(
        {"id": "see", "run": "grep swordfish door.secret deep/door.secret | wc -l > seen; touch door.secret"},
        {"id": "write", "run": "echo 'new swordfish' > deep/new.secret; echo plain > plain"},
        {"id": "edit", "run": "echo 'more swordfish' >> deep/door.secret", "dependsOn": ["write"]},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    assert [row["filesModified"] for row in document["results"]] == [
        ["seen"],
        ["deep/new.secret", "plain"],
        ["deep/door.secret"],
    ]
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:seen") == "2\n"
    assert sh(path, "git", "rev-parse", f"{branch}:door.secret") == sh(path, "git", "rev-parse", "HEAD:door.secret")
    for name in ("deep/new.secret", "deep/door.secret"):
        assert b"swordfish" not in _stored(path, f"{branch}:{name}")
    assert clear_text(harness.home) == []
    # The user's own git makes of it what the agents wrote: LFS has its objects in the user's store.
    sh(path, "git", "checkout", "--quiet", "--force", branch)
    assert (path / "deep/new.secret").read_text() == "new swordfish\n"
    assert (path / "deep/door.secret").read_text() == f"{CANARY} two\nmore swordfish\n"
    assert sh(path, "git", "status", "--porcelain") == "" or kind == "salted"


@pytest.mark.parametrize("kind", some_slow(KINDS, "salted", "lfs"))
async def test_a_delivery_into_the_work_tree_is_decoded_twice_in_a_row(
    harness: Harness, tmp_path: Path, kind: str
) -> None:
    path = filtered_repository(tmp_path / "repo", kind)
    for number in ("1", "2"):
        row = {"id": "a", "run": f"echo 'swordfish {number}' >> door.secret; echo '{number}' > new{number}.secret"}
        document = await harness.run({"workspace": str(path), "deliver": "apply", "tasks": tasks(row)})
        assert document["delivery"]["refusedBecause"] is None
        assert document["status"] == "succeeded", document
    assert (path / "door.secret").read_text() == f"{CANARY} one\nswordfish 1\nswordfish 2\n"
    status = sh(path, "git", "status", "--porcelain").splitlines()
    # What its filter makes another of each time, the user's own git too takes for changed.
    status = [line for line in status if kind != "salted" or "deep" not in line]
    assert status == [" M door.secret", "?? new1.secret", "?? new2.secret"]
    assert clear_text(harness.home) == []


@pytest.mark.parametrize("kind", some_slow(["salted", "lfs", "crypt"], "salted"))
async def test_two_tasks_may_change_different_lines_of_one_encoded_file(
    harness: Harness, tmp_path: Path, kind: str
) -> None:
    path = filtered_repository(tmp_path / "repo", kind)
    text = "".join(f"{number}\n" for number in range(9))
    (path / "door.secret").write_text(text)
    sh(path, "git", "commit", "--quiet", "--all", "--message", "lines")
    rows = tasks(*({"id": f"t{n}", "run": f"sed -i s/{n}/x{n}/ door.secret"} for n in (2, 7)))
    plan = {"workspace": str(path), "deliver": "apply", "onConflict": ["merge", "retry"], "tasks": rows}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["conflicts"]
    assert (path / "door.secret").read_text() == text.replace("2", "x2").replace("7", "x7")


@pytest.mark.parametrize("kind", some_slow(["salted", "lfs", "crypt"], "salted"))
async def test_a_side_of_an_encoded_file_that_a_retry_writes_over_is_a_conflict(
    harness: Harness, tmp_path: Path, kind: str
) -> None:
    path = filtered_repository(tmp_path / "repo", kind)
    rows = tasks(*({"id": f"t{n}", "run": f"echo {n} > door.secret"} for n in (2, 7)))
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["merge", "retry"], "tasks": rows}
    document = await harness.run(plan)
    assert sorted(row["landed"] for row in document["results"]) == [False, True]


async def test_an_agent_s_own_git_has_the_filters_too(harness: Harness, tmp_path: Path) -> None:
    path = filtered_repository(tmp_path / "it's", "rot")
    run = (
        "touch door.secret; git status --porcelain > seen;"
        "echo 'x' > new.secret; git add new.secret; git show :new.secret >> seen"
    )
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run})})
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:seen") == "?? seen\nk\n"


async def test_without_its_driver_nothing_is_stored_in_clear(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None at all is configured: what git-lfs has given the machine counts too.
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    path = filtered_repository(tmp_path / "repo", "rot")
    sh(path, "git", "config", "--remove-section", "filter.rot")
    sh(path, "git", "checkout", "--quiet", "--force", "HEAD")
    sh(path, "git", "reset", "--quiet", "--hard")
    os.unlink(path / "door.secret")
    sh(path, "git", "checkout", "--quiet", "door.secret")
    rows = tasks(
        {"id": "other", "run": "echo 1 > other"},
        {"id": "bad", "run": "echo swordfish | tee n.secret o.secret > work; echo 1 > work"},
    )
    plan = {"workspace": str(path), "strategy": "aggressive", "tasks": rows}
    document = await harness.run(plan)
    rows_by_id = {row["taskId"]: row for row in document["results"]}
    assert rows_by_id["other"]["status"] == "succeeded"
    assert rows_by_id["bad"]["error"]["type"] == "FilterMissing"
    assert "'rot', which is not configured" in rows_by_id["bad"]["error"]["message"]
    assert rows_by_id["bad"]["attempts"] == 1
    assert rows_by_id["bad"]["filesModified"] == ["work"]
    assert clear_text(harness.home) == []
    (path / "mine.secret").write_text("swordfish\n")
    async with harness.working():
        assert await failure_type(await harness.start(plan)) == "InvalidPlan"


@pytest.mark.parametrize("kind", some_slow(["rot", "crypt"], "rot"))
async def test_what_loses_its_filter_is_not_stored_in_clear(harness: Harness, tmp_path: Path, kind: str) -> None:
    path = filtered_repository(tmp_path / "repo", kind)
    plan = {"workspace": str(path), "strategy": "aggressive"}
    blob = sh(path, "git", "rev-parse", "HEAD:door.secret")
    for run in ("rm .gitattributes", "echo '*.secret !filter' > .gitattributes; touch *.secret deep/*.secret"):
        document = await harness.run({**plan, "tasks": tasks({"id": "a", "run": run})})
        assert document["status"] == "succeeded", document["results"][0]["error"]
        assert document["results"][0]["filesModified"] == [".gitattributes"]
        assert sh(path, "git", "rev-parse", f"{document['delivery']['branch']}:door.secret") == blob
    for run in (
        "rm .gitattributes; echo more >> door.secret",
        "git mv door.secret door.txt",
        "mv door.secret a.txt; rm .gitattributes",
    ):
        document = await harness.run({**plan, "tasks": tasks({"id": "a", "run": run})})
        assert document["results"][0]["error"]["type"] == "FilterLost", (run, document["results"])
    assert clear_text(harness.home) == []


@pytest.mark.parametrize("kind", ["rot", "crypt"])
async def test_beside_what_would_be_in_clear_all_is_saved(harness: Harness, tmp_path: Path, kind: str) -> None:
    path = filtered_repository(tmp_path / "repo", kind)
    run = (
        "git checkout -qb quiet; echo 4 > aside; git add aside; git commit -qm aside;"
        " git checkout -qb loud main; echo '*.secret !filter' > .gitattributes; echo 'swordfish 5' > door.secret;"
        " git add --all; git commit -qm loud; git checkout -qf main;"
        " echo 1 > work; git mv door.secret s.log; cp s.log copy.txt; echo '*.log' > .gitignore;"
        " echo more >> deep/door.secret; sed -i s/secret/none/ .gitattributes"
    )
    row = {"id": "a", "run": run, "keep": ["*.log"]}
    plan = {"workspace": str(path), "strategy": "aggressive", "sandbox": "none", "tasks": tasks(row)}
    document = await harness.run(plan)
    (found,) = document["results"]
    assert found["error"]["type"] == "FilterLost", found
    assert (found["attempts"], found["kept"]) == (1, [])
    assert found["filesModified"] == [".gitattributes", ".gitignore", "door.secret", "work"]
    (out,) = [each for each in found["warnings"] if each.startswith("not saved")]
    assert all(name in out for name in ("copy.txt", "s.log", "deep/door.secret"))
    left = {each["name"].split(" ")[0]: each["commit"] for each in found["leftBehind"]}
    assert left.keys() == {"quiet", "loud"}
    assert left["quiet"] is not None
    assert left["loud"] is None
    assert clear_text(harness.home) == []


@pytest.mark.parametrize("command", ["false", "no-such-program-of-ours"])
async def test_a_driver_that_fails_is_told_before_anything_ran(harness: Harness, tmp_path: Path, command: str) -> None:
    path = filtered_repository(tmp_path / "repo", "rot")
    sh(path, "git", "config", "filter.rot.smudge", command)
    ran = tmp_path / "ran"
    plan = {"workspace": str(path), "tasks": tasks({"id": "a", "run": f"touch {ran}"})}
    async with harness.working():
        assert await failure_type(await harness.start(plan)) == "InvalidPlan"
    assert not ran.exists()


async def test_a_change_that_a_driver_keeps_from_being_saved_is_kept_until_it_is(
    harness: Harness, tmp_path: Path
) -> None:
    path = filtered_repository(tmp_path / "repo", "rot")
    broken = tmp_path / "broken"
    sh(path, "git", "config", "filter.rot.clean", f"test ! -e {broken} && {_ROT}")
    row = {"id": "a", "run": f"touch {broken}; echo $EPW_ATTEMPT > new.secret"}
    document = await harness.run({"workspace": str(path), "strategy": "aggressive", "tasks": tasks(row)})
    (result,) = document["results"]
    assert result["error"]["type"] == "FilterFailed"
    execution = ExecutionStore(StateDirectory(harness.home), document["executionId"], document["runId"])
    left = dict.fromkeys(str(folder) for _, folder in unsaved(execution))
    made = [f"{attempt}\n" for attempt in range(1, result["attempts"] + 1)]
    assert [(Path(each) / "tree/new.secret").read_text() for each in left] == made
    assert all(each in json.dumps([result["error"], result["warnings"]]) for each in left)
    assert list(of_machine(execution, cast("ExecutionResult", document))) == []
    broken.unlink()
    remains = remove_attempts(execution)
    assert (remains.saved, remains.kept) == (["a"] * len(made), [])
    assert list(unsaved(execution)) == []


async def test_a_driver_that_an_agent_configures_never_runs(harness: Harness, tmp_path: Path) -> None:
    path, ran = filtered_repository(tmp_path / "repo", "rot"), tmp_path / "ran"
    run = (
        f"git config filter.evil.clean 'touch {ran}'; git config filter.rot.clean 'touch {ran}; cat';"
        "echo '*.x filter=evil' >> .gitattributes; echo 'swordfish' > new.secret; {more}"
    )
    plan = {"workspace": str(path), "strategy": "aggressive"}
    good = await harness.run({**plan, "tasks": tasks({"id": "a", "run": run.replace("{more}", "true")})})
    assert good["status"] == "succeeded", good["results"]
    bad = await harness.run({**plan, "tasks": tasks({"id": "b", "run": run.replace("{more}", "echo 1 > y.x")})})
    assert bad["results"][0]["error"]["type"] == "FilterMissing"
    assert not ran.exists()
    assert clear_text(harness.home) == []


async def test_a_driver_s_program_is_the_user_s_though_an_agent_has_changed_its_own(
    harness: Harness, tmp_path: Path
) -> None:
    path, ran = make_repository(tmp_path / "repo", {"tools/clean": f"#!/bin/sh\n{_ROT}\n"}), tmp_path / "ran"
    (path / "tools/clean").chmod(0o755)
    sh(path, "git", "config", "filter.own.clean", "tools/clean")
    (path / ".gitattributes").write_text("*.secret filter=own\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "filter")
    run = f"printf '#!/bin/sh\\ntouch {ran}; cat\\n' > tools/clean; echo swordfish > a.secret"
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run})})
    assert document["status"] == "succeeded", document["results"]
    assert not ran.exists()
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:a.secret") == "fjbeqsvfu\n"


@pytest.mark.parametrize("where", ["nested", "info", "global"])
async def test_attributes_count_wherever_the_user_has_them(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path = make_repository(tmp_path / "repo", {"deep/a": "x\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    (tmp_path / "config").write_text(f"[core]\n\tattributesFile = {tmp_path / 'attributes'}\n")
    _rot(path)
    places = {"nested": path / "deep/.gitattributes", "info": path / ".git/info/attributes"}
    file = places.get(where, tmp_path / "attributes")
    file.parent.mkdir(exist_ok=True)
    file.write_text("*.secret filter=rot\n")
    row = {"id": "a", "run": "echo swordfish > deep/a.secret"}
    document = await harness.run({"workspace": str(path), "tasks": tasks(row)})
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:deep/a.secret") == "fjbeqsvfu\n"


@pytest.mark.parametrize(
    "line", ["*.txt ident", "*.txt text eol=crlf", "*.txt text working-tree-encoding=UTF-16LE-BOM"]
)
async def test_what_git_itself_encodes_is_seen_decoded_and_stored_encoded(
    harness: Harness, tmp_path: Path, line: str
) -> None:
    path = make_repository(tmp_path / "repo", {".gitattributes": f"{line}\n", "keep": "1\n"})
    text = "$Id$\nüber\n"
    encoding = "utf-16" if "UTF-16" in line else "utf-8"
    (path / "a.txt").write_bytes(text.encode(encoding))
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "text")
    os.unlink(path / "a.txt")
    sh(path, "git", "checkout", "--quiet", "a.txt")
    content, blob = (path / "a.txt").read_bytes(), sh(path, "git", "rev-parse", "HEAD:a.txt")
    run = f"cmp a.txt {path}/a.txt; touch a.txt; cp a.txt b.txt; echo 1 > c"
    document = await harness.run(
        {"workspace": str(path), "deliver": "apply", "sandbox": "none", "tasks": tasks({"id": "a", "run": run})}
    )
    assert document["status"] == "succeeded", document
    assert (path / "b.txt").read_bytes() == (content if "ident" not in line else (path / "b.txt").read_bytes())
    assert (path / "a.txt").read_bytes() == content
    assert sorted(document["results"][0]["filesModified"]) == ["b.txt", "c"]
    hub = Hub(StateDirectory(harness.home).hub(str(path)))
    head = document["delivery"]["head"]
    assert changed_paths(hub, document["delivery"]["base"], head) == ["b.txt", "c"]
    assert sh(hub.path, "git", "rev-parse", f"{head}:b.txt") == blob
    assert sh(path, "git", "status", "--porcelain").splitlines() == ["?? b.txt", "?? c"]


LINES = "".join(f"line {number} of the canary swordfish\n" for number in range(20))


def _with_lines(path: Path, kind: str) -> Path:
    filtered_repository(path, kind)
    (path / "door.secret").write_text(LINES)
    sh(path, "git", "commit", "--quiet", "--all", "--message", "lines")
    return path


@pytest.mark.parametrize("kind", some_slow(KINDS, "salted", "crypt"))
@pytest.mark.parametrize("lines", [("2", "18"), ("2", "2")], ids=["other lines", "one line"])
async def test_what_is_encoded_merges_as_the_text_that_it_is(
    harness: Harness, tmp_path: Path, kind: str, lines: tuple[str, str]
) -> None:
    path = _with_lines(tmp_path / "repo", kind)
    rows = tasks(
        *(
            {"id": each, "run": f"sleep 0.5; sed -i 's/^line {at} .*/swordfish {each}/' door.secret"}
            for each, at in zip("ab", lines, strict=True)
        )
    )
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["skip"], "tasks": rows}
    document = await harness.run(plan)
    branch, fits = document["delivery"]["branch"], lines == ("2", "18")
    assert sorted(row["status"] for row in document["results"]) == ["succeeded" if fits else "conflicted", "succeeded"]
    assert clear_text(harness.home) == []
    assert b"swordfish" not in _stored(path, f"{branch}:door.secret")
    sh(path, "git", "checkout", "--quiet", "--force", branch)
    found = (path / "door.secret").read_text()
    if fits:
        assert found == LINES.replace(LINES.splitlines()[2], "swordfish a").replace(
            LINES.splitlines()[18], "swordfish b"
        )
    else:
        assert found.count("swordfish a") + found.count("swordfish b") == 1


async def test_encoded_files_that_are_no_text_do_not_merge(harness: Harness, tmp_path: Path) -> None:
    path = filtered_repository(tmp_path / "repo", "salted")
    rows = tasks(*({"id": each, "run": f"sleep 0.5; printf '\\0{each}\\n' >> door.secret"} for each in "ab"))
    document = await harness.run(
        {"workspace": str(path), "strategy": "aggressive", "onConflict": ["skip"], "tasks": rows}
    )
    assert len(document["conflicts"]) == 1


@pytest.mark.parametrize("kind", ["salted", "crypt"])
async def test_an_encoded_merge_that_is_made_again_is_the_same(tmp_path: Path, kind: str) -> None:
    """A landing is retried when a worker dies before it reports; its driver makes another blob each time."""
    path = _with_lines(tmp_path / "repo", kind)
    workspace = Workspace.read(str(path))
    hub = Hub(path / ".git")
    base, commits = sh(path, "git", "rev-parse", "HEAD").strip(), []
    for at in ("2", "18"):
        sh(path, "git", "checkout", "--quiet", "--force", base)
        (path / "door.secret").write_text(LINES.replace(f"line {at} ", f"row {at} "))
        sh(path, "git", "commit", "--quiet", "--all", "--message", at)
        commits.append(sh(path, "git", "rev-parse", "HEAD").strip())
    drivers = FilterDrivers(hub, workspace.checkout_settings, tmp_path / "memory")
    merges = [merge(hub, *commits), merge(hub, *commits)]
    for merged in merges:
        drivers.join(merged)
    assert all(merged.clean for merged in merges)
    assert merges[0].tree == merges[1].tree


@pytest.mark.parametrize("first", ["attributes", "file"])
@pytest.mark.parametrize("kind", some_slow(KINDS, "salted", "crypt"))
async def test_a_file_that_lands_beside_new_attributes_is_stored_by_them(
    harness: Harness, tmp_path: Path, kind: str, first: str
) -> None:
    path = filtered_repository(tmp_path / "repo", kind)
    runs = {
        "attributes": f"echo '*.dat filter={KINDS[kind][0]}' >> .gitattributes; echo 'own swordfish' > own.dat",
        "file": "echo 'new swordfish' > new.dat; chmod +x new.dat; echo plain > plain",
    }
    rows = tasks(*({"id": each, "run": f"sleep {0.3 if each == first else 1}; {run}"} for each, run in runs.items()))
    document = await harness.run({"workspace": str(path), "strategy": "aggressive", "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    branch = document["delivery"]["branch"]
    assert b"swordfish" not in _stored(path, f"{branch}:new.dat")
    sh(path, "git", "checkout", "--quiet", "--force", branch)
    assert (path / "new.dat").read_text() == "new swordfish\n"
    assert (path / "own.dat").read_text() == "own swordfish\n"
    assert os.access(path / "new.dat", os.X_OK)
    assert sh(path, "git", "status", "--porcelain") == "" or kind == "salted"
    # A secret is in the branch's history all the same, and a person is told.
    advice = [(each["kind"], each["paths"], sorted(each["tasks"])) for each in document["conflicts"]]
    assert advice == ([] if kind == "lfs" else [("hazard", ["new.dat"], ["attributes", "file"])])


async def test_a_file_that_lands_beside_attributes_of_no_driver_is_named(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"plain": "1\n"})
    runs = {"attributes": "echo '*.dat filter=none-such' > .gitattributes", "file": "echo clear > new.dat"}
    rows = tasks(*({"id": each, "run": f"sleep 0.5; {run}"} for each, run in runs.items()))
    document = await harness.run({"workspace": str(path), "tasks": rows})
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["paths"]) == ("hazard", ["new.dat"])
    assert "new.dat landed in clear: the filter 'none-such'" in conflict["description"]


async def test_what_new_attributes_encode_is_the_same_when_it_is_encoded_again(tmp_path: Path) -> None:
    path = filtered_repository(tmp_path / "repo", "salted")
    hub, base = Hub(path / ".git"), sh(path, "git", "rev-parse", "HEAD").strip()
    commits = []
    for run in ("echo '*.dat filter=salted' >> .gitattributes", "echo swordfish > new.dat"):
        sh(path, "git", "checkout", "--quiet", "--force", base)
        sh(path, "bash", "-c", run)
        sh(path, "git", "add", "--all")
        sh(path, "git", "commit", "--quiet", "--message", "side")
        commits.append(sh(path, "git", "rev-parse", "HEAD").strip())
    drivers = FilterDrivers(hub, Workspace.read(str(path)).checkout_settings, tmp_path / "memory")
    merged, changed = merge(hub, *commits), changed_blobs(hub, base, *commits)
    trees = [encode_by_new_attributes(drivers, commits, changed, merged.tree).tree for _ in range(2)]
    assert trees[0] == trees[1] != merged.tree
