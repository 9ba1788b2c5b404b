"""Clones that lack something: what is needed is fetched once, or it is said in a line before anything ran."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from activities.git.workspace import Workspace
from epw.core.errors import InvalidPlan
from tests.support import Harness, failure_type, make_repository, sh, tasks


def _origin(path: Path) -> Path:
    make_repository(path, {"a": "1\n", "deep/b": "2\n", "deep/er/c": "3\n"})
    for number in range(3):
        (path / "a").write_text(f"{number}\n")
        sh(path, "git", "commit", "--quiet", "--all", "--message", f"change {number}")
    sh(path, "git", "config", "uploadpack.allowFilter", "true")
    sh(path, "git", "config", "uploadpack.allowAnySHA1InWant", "true")
    return path


def _clone(origin: Path, path: Path, *options: str) -> Path:
    sh(origin, "git", "clone", "--quiet", *options, f"file://{origin}", str(path))
    sh(path, "git", "config", "user.name", "Ada")
    sh(path, "git", "config", "user.email", "ada@example.org")
    return path


def _packs(path: Path) -> int:
    return len(list((path / ".git/objects/pack").glob("*.pack")))


@pytest.mark.parametrize("what", ["blob:none", "tree:0"])
@pytest.mark.parametrize("checkout", [[], ["--no-checkout"]])
async def test_what_a_partial_clone_lacks_is_fetched_once(
    harness: Harness, tmp_path: Path, what: str, checkout: list[str]
) -> None:
    path = _clone(_origin(tmp_path / "origin"), tmp_path / "repo", f"--filter={what}", *checkout)
    if checkout:
        sh(path, "git", "read-tree", "HEAD")
    row = {"id": "t", "run": "git log --format=%s | wc -l > seen; cat deep/er/c >> seen; echo 9 > a"}
    plan = {"workspace": str(path), "base": "HEAD", "tasks": tasks(row)}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:seen").split() == ["4", "3"]
    packs = _packs(path)
    assert (await harness.run(plan))["status"] == "succeeded"
    assert _packs(path) <= packs + 1


async def test_offline_it_is_said_in_a_line_at_once(harness: Harness, tmp_path: Path) -> None:
    path = _clone(_origin(tmp_path / "origin"), tmp_path / "repo", "--filter=blob:none", "--no-checkout")
    (tmp_path / "origin").rename(tmp_path / "gone")
    async with harness.working():
        began = time.monotonic()
        handle = await harness.start(
            {"workspace": str(path), "base": "HEAD", "tasks": tasks({"id": "a", "run": "true"})}
        )
        assert await failure_type(handle) == "InvalidPlan"
        assert time.monotonic() - began < 20, "it was not tried again and again"
        with pytest.raises(Exception, match="partial clone"):
            await harness.document(handle)


@pytest.mark.parametrize("options", [["--depth=1"], ["--depth=2"], ["--shared"], ["--sparse"]])
async def test_other_clones_are_as_they_are(harness: Harness, tmp_path: Path, options: list[str]) -> None:
    path = _clone(_origin(tmp_path / "origin"), tmp_path / "repo", *options)
    row = {"id": "t", "run": "git log --format=%s | wc -l > seen; echo 9 > deep/b"}
    document = await harness.run({"workspace": str(path), "tasks": tasks(row)})
    assert document["status"] == "succeeded", document
    seen = sh(path, "git", "show", f"{document['delivery']['branch']}:seen").strip()
    assert seen == {"--depth=1": "1", "--depth=2": "2"}.get(options[0], "4")
    assert document["results"][0]["filesModified"] == ["deep/b", "seen"]
    assert "missing" not in sh(path, "git", "fsck")


@pytest.mark.parametrize("content", [b"", b"garbage"])
async def test_a_damaged_object_that_is_needed_is_named(harness: Harness, tmp_path: Path, content: bytes) -> None:
    path = make_repository(tmp_path / "repo", {"a": "1\n"})
    name = sh(path, "git", "rev-parse", "HEAD:a").strip()
    file = path / ".git/objects" / name[:2] / name[2:]
    file.chmod(0o644)
    file.write_bytes(content)
    async with harness.working():
        handle = await harness.start({"workspace": str(path), "tasks": tasks({"id": "a", "run": "true"})})
        assert await failure_type(handle) == "InvalidPlan"
        with pytest.raises(Exception, match=f"(?s)damaged.*{name[:7]}.*fsck"):
            await harness.document(handle)


def test_a_format_that_we_cannot_use_is_refused_with_a_command(tmp_path: Path) -> None:
    sh(tmp_path, "git", "init", "--quiet", "--object-format=sha256", "sha256")
    with pytest.raises(InvalidPlan, match=r"SHA-256.*: git init COPY"):
        Workspace.read(str(tmp_path / "sha256"))
    newer = make_repository(tmp_path / "newer")
    sh(newer, "git", "config", "core.repositoryFormatVersion", "1")
    sh(newer, "git", "config", "extensions.notYet", "true")
    with pytest.raises(InvalidPlan, match=r"(?i)notyet.*look: git -C"):
        Workspace.read(str(newer))
