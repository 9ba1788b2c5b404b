"""`include`: ignored files of the workspace in an attempt's directory, none of which leads back to the user's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support import Harness, ended, fingerprint, make_repository, sh, tasks

IGNORED = {".gitignore": "lib/\nlib\n.env\n", "packages/a/main.js": "a\n"}


async def _told(harness: Harness, path: Path, run: str, **plan: Any) -> list[str]:
    rows = tasks({"id": "a", "run": f"{{ {run}; }} > told"})
    document = await harness.run({"workspace": str(path), "include": ["lib"], **plan, "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    return sh(path, "git", "show", f"{document['delivery']['branch']}:told").splitlines()


async def test_of_a_link_that_is_named_what_it_leads_to_is_copied(harness: Harness, tmp_path: Path) -> None:
    path, elsewhere = make_repository(tmp_path / "repo", IGNORED), tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep/file").write_text("content\n")
    (elsewhere / "deep/file").chmod(0o640)
    (elsewhere / "env").write_text("SECRET=1\n")
    os.symlink(elsewhere, path / "lib")
    os.symlink("../elsewhere/env", path / ".env")
    before = fingerprint(tmp_path / "elsewhere")
    look = "cat lib/deep/file .env; [ ! -L lib ]; [ ! -L .env ]; stat -c %a lib/deep/file; echo mine > lib/deep/file"
    assert await _told(harness, path, look, include=["lib", ".env"]) == ["content", "SECRET=1", "640"]
    assert fingerprint(tmp_path / "elsewhere") == before


async def test_verify_and_checkers_have_what_the_plan_includes(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    (path / ".env").write_text("SECRET=1\n")
    checks = {"command": "test -f .env || echo 'a:0: no .env'", "parse": "lines"}
    both = [{"id": name, "run": f"echo {name} >> both{name}; echo {name} > {name}"} for name in "ab"]
    plan = {
        "workspace": str(path),
        "include": [".env"],
        "verify": "test -f .env",
        "checks": checks,
        "tasks": tasks(*both),
    }
    document = await harness.run(plan)
    assert (document["status"], document["delivery"]["warnings"]) == ("succeeded", [])


async def test_links_within_lead_to_the_attempt_s_own_files(harness: Harness, tmp_path: Path) -> None:
    path, elsewhere = make_repository(tmp_path / "repo", IGNORED), tmp_path / "elsewhere"
    (path / "lib/bin").mkdir(parents=True)
    (path / "lib/one").write_text("1\n")
    elsewhere.mkdir()
    (elsewhere / "file").write_text("2\n")
    os.symlink("sideways", elsewhere / "around")
    os.symlink(elsewhere, elsewhere / "sideways")
    links = {
        "relative": "one",
        "absolute": str(path / "lib/one"),
        "workspace": "../packages/a",
        "linked": str(elsewhere),
        "nowhere": "missing",
        "upwards": "..",
        "bin/sh": "/bin/sh",
    }
    for name, target in links.items():
        os.symlink(target, path / "lib" / name)
    before = fingerprint(path, but=(".git/",)), fingerprint(elsewhere)
    look = (
        "cd lib; cat relative absolute workspace/main.js linked/file; readlink relative absolute workspace nowhere"
        "; bin/sh -c 'echo runs'; [ ! -L linked ]; for each in relative absolute workspace/main.js linked/file"
        "; do echo agent > $each; done; git checkout -q ../packages"
    )
    told = await _told(harness, path, look)
    assert told == ["1", "1", "a", "2", "one", "one", "../packages/a", "missing", "runs"]
    assert (fingerprint(path, but=(".git/",)), fingerprint(elsewhere)) == before


@pytest.mark.parametrize("target", ["..", "/", "."])
async def test_a_link_to_what_holds_the_workspace_is_refused(harness: Harness, tmp_path: Path, target: str) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    os.symlink(target, path / "lib")
    async with harness.working():
        plan = {"workspace": str(path), "include": ["lib"], "tasks": tasks({"id": "a", "run": "true"})}
        error = await ended(await harness.start(plan))
    assert f"include[0]: lib leads to {(path / target).resolve()}, which holds the workspace" in str(error)


async def test_what_is_printed_of_included_secrets_is_not_in_the_log(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", IGNORED)
    address = "postgres://me:hunter2hunter@db/x"
    (path / ".env").write_text(f"API_TOKEN=abcdefgh12345\nexport DATABASE_URL='{address}'\nPORT=8080\n")
    rows = tasks({"id": "a", "run": "cat .env; base64 .env >&2; cp .env told"})
    document = await harness.run({"workspace": str(path), "include": [".env"], "tasks": rows})
    assert document["status"] == "succeeded"
    (log,) = harness.home.rglob("a*.log")
    printed = log.read_text()
    assert "API_TOKEN=[.env]" in printed
    assert "PORT=8080" in printed
    assert "abcdefgh12345" not in printed
    assert "hunter2hunter" not in printed
    told = sh(path, "git", "show", f"{document['delivery']['branch']}:told")
    assert "abcdefgh12345" in told, "files that an agent writes are its own matter"


async def test_an_attempt_that_goes_on_shows_no_secrets_either(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {".gitignore": "private/\n"})
    (path / "private").mkdir()
    (path / "private/.env").write_text("API_TOKEN=abcdefgh12345\n")
    ask = """echo '{"question": "why?"}' >> "$EPW_EVENTS"; exit 75"""
    rows = tasks({"id": "a", "run": f'cat private/.env; if [ -z "${{EPW_ANSWER:-}}" ]; then {ask}; fi; exit 3'})
    answered = {"wait": True, "timeoutMinutes": 0.001, "default": "so"}
    plan = {"workspace": str(path), "include": ["private"], "onQuestion": answered, "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        await ended(handle)
        document = await harness.document(handle)
    logs = "".join(log.read_text() for log in harness.home.rglob("a*.log"))
    assert logs.count("API_TOKEN=[.env]") >= 2
    assert "abcdefgh12345" not in logs
    assert "abcdefgh12345" not in str(document)
    assert "abcdefgh12345" not in "".join([str(event) async for event in handle.fetch_history_events()])
