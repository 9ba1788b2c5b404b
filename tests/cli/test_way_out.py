"""From a delivered branch on: what is printed, `diff`, `merge`; the user's git does what it would do for them."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.command_line import ROOT, Cli, line_with, stop
from tests.support import make_repository, sh, tasks

ROWS = tasks(
    {"id": "one", "run": "sed -i s/1/one/ f; echo 1 > a"},
    {"id": "two", "run": "echo two > b", "dependsOn": ["one"]},
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("way-out") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"f": "1\n2\n3\n"})


def run(cli: Cli, repository: Path, name: str, *, code: int = 0, **more: object) -> str:
    plan = {"workspace": str(repository), "tasks": ROWS, **more}
    return cli.execute(cli.plan(plan), name, code=code).stdout


def next_lines(output: str) -> list[str]:
    return [line.strip() for line in output.partition("\nnext:\n")[2].splitlines()]


def test_what_comes_next_is_said_where_it_applies(up: Cli, repository: Path) -> None:
    place = f"git -C {repository}"
    plan = {"workspace": str(repository), "tasks": ROWS}
    said = next_lines(up("run", up.plan(plan), "--id", "next").stdout)
    assert [line.partition("  ")[0] for line in said] == [
        *(f"{place} merge epw/next", "epw diff next", "epw merge next", "epw drop next TASK"),
    ]
    sh(repository, "git", "remote", "add", "origin", str(repository.parent / "nowhere"))
    assert "epw pr next" in [line.partition("  ")[0] for line in next_lines(up("status", "next").stdout)]
    sh(repository, "git", "merge", "--quiet", "epw/next")
    said = next_lines(up("watch", "next").stdout)
    assert [line.partition("  ")[0] for line in said] == [f"{place} branch -d epw/next", "epw diff next"]


def test_uncommitted_files_that_git_would_stop_over_are_to_be_committed_first(up: Cli, repository: Path) -> None:
    (repository / "my plan").write_text("untracked\n")
    (repository / "f").write_text("1\n2\n3 mine\n")
    said = [line.partition("  ")[0] for line in next_lines(run(up, repository, "mine"))]
    place = f"git -C {repository}"
    assert said[0] == f"{place} add -- f 'my plan' && {place} commit"
    assert up("merge", "mine", code=1).stderr.count("would be overwritten by merge") == 2
    sh(repository, "bash", "-c", f"{said[0]} -m mine")
    again = [line.partition("  ")[0] for line in next_lines(up("status", "mine").stdout)]
    assert again[0] == f"{place} merge epw/mine"
    up("merge", "mine")
    assert (repository / "f").read_text() == "one\n2\n3 mine\n"


def test_what_was_taken_over_without_a_merge_is_not_offered_again(up: Cli, repository: Path) -> None:
    def said(name: str) -> list[str]:
        return [line.partition("  ")[0] for line in next_lines(up("status", name).stdout)]

    place = f"git -C {repository}"
    run(up, repository, "taken-over")
    up("merge", "taken-over", "--squash")
    assert said("taken-over") == [f"{place} commit", "epw diff taken-over"]
    sh(repository, "git", "commit", "--quiet", "--message", "squashed")
    assert said("taken-over") == [f"{place} branch -D epw/taken-over", "epw diff taken-over"]
    sh(repository, "git", "reset", "--quiet", "--hard", "HEAD~1")
    sh(repository, "git", "commit", "--quiet", "--allow-empty", "--message", "other")
    sh(repository, "git", "cherry-pick", "HEAD..epw/taken-over")
    (repository / "b").write_text("changed since\n")
    sh(repository, "git", "commit", "--quiet", "--all", "--message", "on")
    assert said("taken-over")[0] == f"{place} branch -D epw/taken-over"
    sh(repository, "git", "reset", "--quiet", "--hard", "HEAD~3")
    sh(repository, "git", "merge", "--quiet", "--no-commit", "--no-ff", "epw/taken-over")
    assert said("taken-over") == [f"{place} commit", "epw diff taken-over", f"{place} merge --abort"]


def test_what_comes_next_after_a_failure_leads_to_what_was_saved(up: Cli, repository: Path) -> None:
    rows = tasks({"id": "good", "run": "echo 1 > a"}, {"id": "bad", "run": "false", "dependsOn": ["good"]})
    said = next_lines(run(up, repository, "undone", code=1, tasks=rows))
    assert [line.partition("  ")[0] for line in said] == [
        *("epw diff undone good", "epw salvage undone", "epw retry undone"),
    ]
    said = next_lines(run(up, repository, "part", code=1, tasks=rows, strategy="aggressive"))
    assert [line.partition("  ")[0] for line in said] == [
        *(f"git -C {repository} merge epw/part", "epw diff part", "epw merge part", "epw retry part"),
    ]


def test_the_commands_that_are_said_are_taken(up: Cli, repository: Path) -> None:
    for line in next_lines(run(up, repository, "taken")):
        command = line.partition("  ")[0].replace("TASK", "two")
        program, *words = command.split()
        if program == "epw":
            up(*words)
        else:
            sh(repository, program, *words)
    assert (repository / "b").read_text() == "two\n"


def test_diff_shows_the_whole_and_each_task_landed_or_not(up: Cli, repository: Path) -> None:
    rows = [*ROWS, *tasks({"id": "bad", "run": "echo x > saved; false"})]
    run(up, repository, "shown", code=1, tasks=rows, strategy="aggressive")
    assert [line.split()[0] for line in up("diff", "shown", "--stat").stdout.splitlines()[:-1]] == ["a", "b", "f"]
    assert up("diff", "shown", "two").stdout.splitlines()[-1] == "+two"
    assert "+x" in up("diff", "shown", "bad").stdout
    document = up.json("diff", "shown", "bad")
    assert (document["taskId"], document["landed"]) == ("bad", False)
    assert [each["file"] for each in document["changes"]] == ["saved"]
    assert "+x" in document["patch"]
    assert up.json("diff", "shown")["landed"] is None
    assert "did you mean two" in up("diff", "shown", "twoo", code=2).stderr


def test_diff_after_a_delivery_into_the_work_tree_and_after_an_undoing(up: Cli, repository: Path) -> None:
    run(up, repository, "applied", deliver="apply")
    assert "+two" in up("diff", "applied").stdout
    rows = [{**ROWS[0], "run": "echo 2 > f"}, ROWS[1], *tasks({"id": "bad", "run": "false", "dependsOn": ["two"]})]
    run(up, repository, "gone", code=1, tasks=rows)
    done = up("diff", "gone")
    assert (done.stdout, "epw diff gone one" in done.stderr) == ("", True)
    assert "saved no change" in up("diff", "gone", "bad", code=2).stderr


def test_diff_runs_no_program_that_the_workspace_names(up: Cli, repository: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (repository / ".gitattributes").write_text("* diff=evil\n")
    for name in ("diff.evil.textconv", "diff.evil.command", "diff.external", "core.pager"):
        sh(repository, "git", "config", name, f"touch {canary};:")
    run(up, repository, "quiet")
    cli = Cli(up.home, up.temporal, {"GIT_EXTERNAL_DIFF": f"touch {canary};:"})
    canary.unlink(missing_ok=True)
    assert "+two" in cli("diff", "quiet").stdout
    assert not canary.exists()


def test_diff_on_a_terminal_has_the_users_pager_and_colours(up: Cli, repository: Path, tmp_path: Path) -> None:
    run(up, repository, "paged")
    paged, (ours, theirs) = tmp_path / "paged", pty.openpty()
    env = {**up.env, "GIT_PAGER": f"cat > {paged}", "TERM": "xterm"}
    argv = [*forked.program(), "diff", "paged"]
    process = subprocess.Popen(argv, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert process.wait(60) == 0
    os.close(ours)
    assert "\x1b[32m+" in paged.read_text()


def test_merge_is_the_users_own_and_says_what_it_did(up: Cli, repository: Path) -> None:
    run(up, repository, "own")
    hook = repository / ".git/hooks/post-merge"
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    document = up.json("merge", "own", "--ff-only")
    assert (document["did"], document["into"], document["branch"]) == ("fast-forward", "main", "epw/own")
    assert (repository / "hooked").exists()
    mine = repository / "mine"
    mine.touch()
    assert {(repository / name).stat().st_mode for name in ("a", "hooked")} == {mine.stat().st_mode}
    mine.unlink()
    assert document["after"] == sh(repository, "git", "rev-parse", "main", "epw/own").split()[0] != document["before"]
    assert up.json("merge", "own")["did"] == "nothing"


def test_merge_beside_other_work_squashed_and_refused(up: Cli, repository: Path) -> None:
    run(up, repository, "beside")
    (repository / "own").write_text("mine\n")
    sh(repository, "git", "add", "own")
    sh(repository, "git", "commit", "--quiet", "--message", "mine")
    up("merge", "beside", "--ff-only", code=1)
    assert up.json("merge", "beside", "--squash")["did"] == "squash"
    assert sh(repository, "git", "diff", "--cached", "--name-only").split() == ["a", "b", "f"]
    sh(repository, "git", "reset", "--quiet", "--hard")
    (repository / "f").write_text("changed\n")
    done = up("merge", "beside", code=1)
    assert "nothing is merged" in done.stderr
    assert "overwritten by merge" in done.stderr
    assert (repository / "f").read_text() == "changed\n"
    sh(repository, "git", "commit", "--quiet", "--all", "--message", "f")
    document = up.json("merge", "beside", code=1)
    assert (document["did"], document["conflicts"], document["success"]) == ("conflict", ["f"], False)
    sh(repository, "git", "merge", "--abort")
    sh(repository, "git", "revert", "--no-edit", "HEAD")
    assert up.json("merge", "beside")["did"] == "merge"


def test_a_report_undoes_the_whole_in_whichever_way_it_was_merged(up: Cli, repository: Path) -> None:
    run(up, repository, "back")
    undo = up.json("report", "back")["undo"]
    before = sh(repository, "git", "rev-parse", "HEAD").strip()
    for way in (["--ff-only"], ["--no-ff", "--no-edit"], ["--squash"]):
        sh(repository, "git", "reset", "--quiet", "--hard", before)
        sh(repository, "git", "merge", "--quiet", *way, "epw/back")
        if way == ["--squash"]:
            sh(repository, "git", "commit", "--quiet", "--message", "squashed")
        sh(repository, *shlex.split(undo[0]["command"]))
        assert sh(repository, "git", "diff", before, "HEAD") == "", way
        assert sh(repository, "git", "rev-list", "--count", f"{before}..HEAD").strip() != "0"
    assert undo[1]["command"] == "git branch -D epw/back"
    assert "`epw salvage back` has each change" in undo[1]["purpose"]


def test_merge_says_where_there_is_no_branch(up: Cli, repository: Path) -> None:
    run(up, repository, "none", deliver="none")
    assert "has delivered no branch; `epw status none` says why" in up("merge", "none", code=2).stderr
    run(up, repository, "in-files", deliver="apply")
    assert "its changes are in your files, and nothing is left to merge" in up("pr", "in-files", code=2).stderr
    sh(repository, "git", "checkout", "--quiet", ".")
    sh(repository, "git", "clean", "--quiet", "--force")
    run(up, repository, "lost")
    sh(repository, "git", "branch", "--quiet", "-D", "epw/lost")
    assert "not in" in up("merge", "lost", code=2).stderr
    assert json.loads(up("pr", "lost", "--json", code=2).stdout)["success"] is False


def test_a_report_is_text_markdown_json_and_a_page(up: Cli, repository: Path, tmp_path: Path) -> None:
    run(up, repository, "told", verify="test -e b")
    said = up("report", "told").stdout
    assert "told: ✓ succeeded" in said
    assert "git merge epw/told" in said
    assert "Verified by `test -e b`." in up("report", "told", "--markdown").stdout
    document = up.json("report", "told")
    schema = json.loads((ROOT / "docs/report.schema.json").read_text())
    pytest.importorskip("jsonschema").Draft202012Validator(schema).validate(document)
    assert [each["taskId"] for each in document["diffs"]] == ["one", "two"]
    assert "+two" in document["diffs"][1]["text"]
    agents = [(each["taskId"], each["agentId"]) for each in document["timeline"] if each["lane"] == "agent"]
    assert agents == [("one", "agent-1"), ("two", "agent-2")]
    page = tmp_path / "report.html"
    assert up("report", "told", "--html", str(page)).stdout.startswith(f"{page}: ")
    assert "<ins>+two</ins>" in page.read_text()
    assert up("report", "told", "--html", "-").stdout.startswith("<!DOCTYPE html>")


def test_a_report_that_can_not_be_written_is_refused_before_anything_is_read(up: Cli, tmp_path: Path) -> None:
    assert "give one of --html, --markdown and --json" in up("report", "x", "--markdown", "--html", "f", code=2).stderr
    assert "there is no folder" in up("report", "x", "--html", str(tmp_path / "no/f.html"), code=2).stderr
    assert "is a folder" in up("report", "x", "--html", str(tmp_path), code=2).stderr
    assert "no execution 'x'" in up("report", "x", "--html", str(tmp_path / "f.html"), code=2).stderr
    assert not (tmp_path / "f.html").exists()
