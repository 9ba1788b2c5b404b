"""Commands on executions on a git URL, from a host that has done nothing of them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.git.hub import Hub
from activities.state.state_directory import StateDirectory
from tests.command_line import ROOT, Cli, line_with, stop
from tests.repositories import bare_repository
from tests.support import sh, tasks


@dataclass
class Hosts:
    """A host with a worker, and one without, which share the server and what is on URLs."""

    here: Cli
    there: Cli


@pytest.fixture(scope="module")
def hosts(
    server: WorkflowEnvironment, temporal_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosts]:
    address, namespace = server.client.service_client.config.target_host, server.client.namespace
    own = {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace, "GIT_CONFIG_GLOBAL": "/dev/null"}
    folder = tmp_path_factory.mktemp("hosts")
    here, there = (Cli(folder / name / "home", temporal_binary, own) for name in ("here", "there"))
    for each in (here, there):
        each.home.parent.mkdir()
    worker = there.popen(script="worker.py")
    line_with(worker, "worker ready")
    yield Hosts(here, there)
    stop(worker)


def refuse(origin: Path, condition: str, word: str) -> None:
    """Have a repository refuse refs for which a shell condition holds."""
    hook = origin / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nif {condition}; then echo "{word}"; exit 1; fi\n')
    hook.chmod(0o755)


def plan(origin: Path, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"workspace": f"file://{origin}", "tasks": tasks(*rows), **more}


def run(hosts: Hosts, document: dict[str, Any], execution_id: str, code: int = 0) -> dict[str, Any]:
    """The result document of a plan that the other host has done."""
    path = hosts.here.plan(document)
    hosts.here("start", path, "--id", execution_id)
    hosts.here("watch", execution_id, "--plain", code=code)
    found: dict[str, Any] = hosts.here.json("status", execution_id)
    return found


def test_a_host_that_did_nothing_shows_takes_and_removes_all(hosts: Hosts, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"shared.txt": "1\n"})
    rows = ({"id": "a", "run": "echo a > a"}, {"id": "b", "run": "echo b > b; exit 1"}, {"id": "c", "run": "echo > c"})
    result = run(hosts, plan(origin, *rows, strategy="aggressive"), "shown", code=1)
    assert result["status"] == "partial"
    assert {row["taskId"]: row["filesModified"] for row in result["results"]} == {"a": ["a"], "b": ["b"], "c": ["c"]}
    assert "+a" in hosts.here("diff", "shown", "a").stdout
    (saved,) = [row for row in hosts.here.json("salvage", "shown", "b") if row["existsNowhereElse"]][-1:]
    assert saved["files"] == ["b"]
    hosts.here("salvage", "shown", "b", "--branch", "rescued")
    assert sh(origin, "git", "show", "rescued:b") == "b\n"
    refused = hosts.here("merge", "shown", code=2).stderr
    assert f"git fetch file://{origin} epw/shown && git merge FETCH_HEAD" in refused
    assert "another machine" in hosts.here("logs", "shown", "a").stderr
    again = json.loads(hosts.here("retry", "shown", "--dry-run", "--json").stdout)
    assert set(again["takesOver"]) == {"a", "c"}
    hosts.here("drop", "shown", "c", "--id", "shown-without-c")
    assert sh(origin, "git", "ls-tree", "--name-only", "epw/shown-without-c").split() == ["a", "shared.txt"]
    listed = next(
        line for line in (ROOT / "docs/git-urls.md").read_text().splitlines() if "ls-remote URL 'refs" in line
    )
    command = listed.replace("URL", f"file://{origin}").replace("/ID/", "/shown/")
    assert "/tasks/" in sh(tmp_path, *shlex.split(command))
    hosts.here("gc", "shown", "--yes")
    assert sh(origin, "git", "for-each-ref", "refs/epw/shown") == ""
    assert sh(origin, "git", "rev-parse", "--verify", "epw/shown")
    assert hosts.here.json("status", "shown")["results"][0]["filesModified"] == ["a"]


def test_doctor_says_whether_a_url_will_do(hosts: Hosts, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"x": "1\n"})
    found = {each["name"]: each for each in hosts.here.json("doctor", f"file://{origin}")["traits"]}
    assert "default branch main" in found["git URL"]["found"]
    assert found["push"]["ok"]
    assert "not let into" in hosts.here("doctor", f"file://{tmp_path}/nowhere.git", code=3).stdout
    assert "credential helper" in hosts.here("doctor", "https://ada:pw@example.org/x.git", code=2).stderr
    assert sh(origin, "git", "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_a_redrive_takes_over_what_is_on_the_url(hosts: Hosts, tmp_path: Path) -> None:
    origin, mark = bare_repository(tmp_path, {"x": "1\n"}), tmp_path / "mended"
    rows = ({"id": "a", "run": "echo a > a"}, {"id": "b", "run": f"test -e {mark} && cp a b", "dependsOn": ["a"]})
    run(hosts, plan(origin, *rows, strategy="aggressive", sandbox="none"), "first", code=1)
    mark.touch()
    hosts.there("retry", "first", "--id", "second")
    assert sh(origin, "git", "show", "epw/second:b") == "a\n"
    second = {row["taskId"]: row for row in hosts.here.json("status", "second")["results"]}
    assert second["a"].get("reused")


def test_a_push_that_is_refused_is_finished_later(hosts: Hosts, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"x": "1\n"})
    refuse(origin, 'case "$1" in refs/heads/*) ;; *) false;; esac', "branches are protected here")
    result = run(hosts, plan(origin, {"id": "a", "run": "echo a > a"}), "kept-back", code=1)
    assert result["status"] == "undelivered"
    assert "branches are protected here" in result["delivery"]["refusedBecause"]
    assert result["delivery"]["finishWith"] == ["epw deliver kept-back"]
    assert result["results"][0]["landed"]
    assert "protected" in hosts.here("deliver", "kept-back", code=1).stderr
    (origin / "hooks/update").unlink()
    assert f"pushed: epw/kept-back to file://{origin}" in hosts.here("deliver", "kept-back").stdout
    assert sh(origin, "git", "show", "epw/kept-back:a") == "a\n"
    sh(origin, "git", "update-ref", "refs/heads/epw/kept-back", sh(origin, "git", "rev-parse", "main").strip())
    assert "is on file://" in hosts.here("deliver", "kept-back").stdout
    assert "epw/kept-back-2" not in sh(origin, "git", "branch"), "a person may have built on it"
    assert hosts.here.json("deliver", "kept-back")["branch"] == "epw/kept-back"
    (listed,) = [row for row in hosts.here.json("list") if row["executionId"] == "kept-back"]
    assert listed["status"] == "succeeded"
    for place in (hosts.here, replace(hosts.here, home=tmp_path / "third")):
        found = place.json("status", "kept-back")
        assert (found["status"], found["delivery"]["branch"]) == ("succeeded", "epw/kept-back")
        assert found["delivery"]["refusedBecause"] is None
    hosts.here("gc", "kept-back", "--yes")
    assert ("kept-back", "succeeded") in [(row["executionId"], row["status"]) for row in hosts.here.json("list")]
    assert hosts.here.json("status", "kept-back")["delivery"]["branch"] == "epw/kept-back"


def test_a_change_that_the_url_refuses_fails_its_task_alone(hosts: Hosts, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"x": "1\n"})
    refuse(origin, 'case "$1" in */tasks/bad*) ;; *) false;; esac', "push declined: a secret")
    rows = [{"id": name, "run": f"echo {name} >> ran; echo {name} > {name}"} for name in ("bad", "good")]
    result = run(hosts, plan(origin, *rows, strategy="aggressive", onConflict=["retry"]), "declined", code=1)
    found = {row["taskId"]: row for row in result["results"]}
    assert {name: row["status"] for name, row in found.items()} == {"bad": "failed", "good": "succeeded"}
    assert "push declined: a secret" in found["bad"]["error"]["message"]
    assert sh(origin, "git", "show", "epw/declined:good") == "good\n"


def test_a_server_that_takes_branches_only_is_found_out_before_anything_runs(hosts: Hosts, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"x": "1\n"})
    refuse(origin, 'case "$1" in refs/heads/*) false;; *) ;; esac', "deny updating a hidden ref")
    document = plan(origin, {"id": "a", "run": "echo a > a"})
    hosts.here("start", hosts.here.plan(document), "--id", "hidden")
    refused = hosts.here("watch", "hidden", "--plain", code=2).stderr
    assert "deny updating a hidden ref" in refused
    assert "urlRefs: refs/heads/epw-refs" in refused
    result = run(hosts, {**document, "urlRefs": "refs/heads/epw-refs"}, "shown-refs")
    assert result["status"] == "succeeded"
    assert sh(origin, "git", "show", "epw/shown-refs:a") == "a\n"
    assert list(hosts.here.json("retry", "shown-refs", "--dry-run")["takesOver"]) == ["a"]
    hosts.here("gc", "shown-refs", "--yes")
    assert hosts.here.json("retry", "shown-refs", "--dry-run")["takesOver"] == {}
    assert sh(origin, "git", "for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/epw/shown-refs",
        "refs/heads/main",
    ]


def test_a_branch_with_a_secret_is_not_pushed_without_a_word(hosts: Hosts, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"x": "1\n"})
    result = run(hosts, plan(origin, {"id": "a", "run": "echo KEY=1 > .env"}), "secret", code=1)
    assert result["status"] == "undelivered"
    assert ".env" in result["delivery"]["refusedBecause"]
    assert result["delivery"]["finishWith"] == []
    assert "`epw deliver secret --publish-secrets`" in result["delivery"]["refusedBecause"]
    assert "`epw deliver secret --publish-secrets`" in hosts.here("deliver", "secret", code=1).stderr
    assert "--publish-secrets" in hosts.here("salvage", "secret", "a", "--branch", "saved", code=2).stderr
    assert "saved" not in sh(origin, "git", "branch")
    hosts.here("salvage", "secret", "a", "--branch", "saved", "--publish-secrets")
    hosts.here("deliver", "secret", "--publish-secrets")
    assert sh(origin, "git", "show", "epw/secret:.env") == "KEY=1\n"


def test_a_hub_with_missing_objects_holds_nobody_up_and_is_whole_again(hosts: Hosts, tmp_path: Path) -> None:
    """A hub of a URL is a cache: what the URL has of it comes back with the next command, start or landing."""
    origin = bare_repository(tmp_path, {"x": "1\n"})
    rows = ({"id": "a", "run": "echo a > a"}, {"id": "b", "run": "echo b > b", "dependsOn": ["a"]})
    done = run(hosts, plan(origin, *rows), "damaged")
    first, second = (row["commit"] for row in done["results"])
    hubs = [Hub(StateDirectory(each.home).hub(f"file://{origin}")) for each in (hosts.here, hosts.there)]
    base = hubs[0].resolve("refs/remotes/origin/main") or ""
    for hub, names in zip(hubs, [[first, hub_blob(hubs[0], second, "b")], [base, first]], strict=True):
        for name in names:
            (hub.path / "objects" / name[:2] / name[2:]).unlink()
    assert run(hosts, plan(origin, {"id": "c", "run": "echo c > c"}), "new")["status"] == "succeeded"
    assert hosts.here.json("status", "damaged")["results"] == done["results"]
    assert "+b" in hosts.here("diff", "damaged", "b").stdout
    assert len(hosts.here.json("salvage", "damaged")) == 2
    assert hosts.here.json("doctor", "damaged")["violations"] == []
    for hub, host in zip(hubs, (hosts.here, hosts.there), strict=True):
        # One more, of which no command has heard yet.
        (hub.path / "objects" / second[:2] / second[2:]).unlink()
        assert {"damaged", "new"} <= set(host.json("gc", "--dry-run")["wouldRemove"])
        assert hub.resolve(second) == second
    # The delivered branch still holds it.
    blob = hub_blob(hubs[1], second, "b")
    (hubs[1].path / "objects" / blob[:2] / blob[2:]).unlink()
    assert "damaged" in hosts.there.json("gc", "damaged", "--yes")["removed"]
    sh(hubs[1].path, "git", "fsck", "--connectivity-only", "--no-dangling")


def hub_blob(hub: Hub, commit: str, path: str) -> str:
    return next(name for _, name, each in hub.entries(commit) if each == path)
