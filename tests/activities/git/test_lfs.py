"""Git LFS: a file whose object the user has is its content, one whose object is not there its pointer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from activities.git.command import GitLocation
from activities.git.filters import filter_drivers
from activities.git.traits import traits
from activities.git.workspace import Workspace
from tests.repositories import ALLOW, LFS
from tests.support import Harness, ended, make_repository, sh, tasks

pytestmark = pytest.mark.skipif(
    shutil.which("git-lfs") is None, reason="git-lfs is not installed (Debian: apt-get install git-lfs)"
)
_BEGINS = "version https://git-lfs"


def _repository(path: Path, *settings: str) -> Path:
    make_repository(path)
    for setting in settings:
        sh(path, "git", "config", *setting.split("=", 1))
    sh(path, *LFS)
    (path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    for name in ("a.bin", "deep/a.bin"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(f"content of {name}\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "large")
    return path


def _clone(origin: Path, path: Path, *options: str) -> Path:
    """A clone in which no large file was fetched."""
    clone = ("git", "clone", "--quiet", *options, str(origin), str(path))
    sh(origin.parent, "env", "GIT_LFS_SKIP_SMUDGE=1", *clone)
    sh(path, *LFS)
    return path


def _objects(path: Path) -> list[str]:
    return sorted(file.name for file in (path / ".git/lfs/objects").rglob("?" * 64))


def _seen(path: Path, name: str) -> str:
    """A file of HEAD, as an attempt in a workspace has it."""
    workspace = Workspace.read(str(path))
    place = GitLocation(git_dir=Path(workspace.git_dir), work_tree=path)
    content = filter_drivers.decoded(f"HEAD:{name}", name, workspace.checkout_settings, **place)
    assert content is not None
    return content.decode()


async def test_where_nothing_was_fetched_pointers_stay_and_new_files_are_files(
    harness: Harness, tmp_path: Path
) -> None:
    origin = _repository(tmp_path / "origin")
    path = _clone(origin, tmp_path / "clone")
    pointer = (path / "a.bin").read_text()
    assert pointer.startswith(_BEGINS)
    rows = tasks(
        {"id": "a", "run": "cp a.bin seen; echo new > new.bin"},
        {"id": "b", "run": "cp new.bin copy", "dependsOn": ["a"]},
    )
    document = await harness.run({"workspace": str(path), "deliver": "apply", "tasks": rows})
    assert document["status"] == "succeeded", document["results"]
    assert [(path / name).read_text() for name in ("seen", "a.bin")] == [pointer, pointer]
    assert [(path / name).read_text() for name in ("new.bin", "copy")] == ["new\n", "new\n"]
    assert sh(path, "git", "status", "--porcelain").splitlines() == ["?? copy", "?? new.bin", "?? seen"]
    assert len(_objects(path)) == 1
    sh(path, "git", "add", "new.bin")
    assert sh(path, "git", "show", ":new.bin").startswith(_BEGINS)


@pytest.mark.parametrize("fetched", ["a.bin", "deep/a.bin"])
async def test_of_large_files_those_that_were_fetched_are_there(harness: Harness, tmp_path: Path, fetched: str) -> None:
    path = _clone(_repository(tmp_path / "origin"), tmp_path / "clone")
    sh(path, "git", "lfs", "pull", f"--include=/{fetched}")
    (other,) = {"a.bin", "deep/a.bin"} - {fetched}
    pointer = (path / other).read_text()
    assert pointer.startswith(_BEGINS)
    run = f"cp {other} seen; sed -i s/content/changed/ {fetched}; touch {other}"
    plan = {"workspace": str(path), "deliver": "apply", "tasks": tasks({"id": "a", "run": run})}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["results"][0]["error"]
    assert document["results"][0]["filesModified"] == sorted([fetched, "seen"])
    assert [(path / name).read_text() for name in ("seen", other)] == [pointer, pointer]
    assert (path / fetched).read_text() == f"changed of {fetched}\n"
    assert sh(path, "git", "status", "--porcelain").splitlines() == [f" M {fetched}", "?? seen"]
    # What was fetched, and what it is now; nothing else came.
    assert len(_objects(path)) == 2


@pytest.mark.parametrize("how", ["lfs.fetchexclude", "GIT_LFS_SKIP_SMUDGE"])
async def test_what_is_there_is_content_though_nothing_is_to_be_fetched(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = _repository(tmp_path / "repo")
    if how == "lfs.fetchexclude":
        sh(path, "git", "config", how, "*")
    else:
        monkeypatch.setenv(how, "1")
    run = "cat a.bin deep/a.bin > seen"
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run})})
    seen = sh(path, "git", "show", f"{document['delivery']['branch']}:seen")
    assert seen == "content of a.bin\ncontent of deep/a.bin\n"


def test_the_user_s_store_is_found_wherever_it_is(tmp_path: Path) -> None:
    origin = _repository(tmp_path / "origin")
    sh(origin, "git", "worktree", "add", "--quiet", str(tmp_path / "linked"))
    elsewhere = _repository(tmp_path / "elsewhere", f"lfs.storage={tmp_path}/storage/lfs")
    within = _repository(tmp_path / "within", "lfs.storage=in/here")
    outer = make_repository(tmp_path / "outer")
    sh(outer, *ALLOW, "submodule", "--quiet", "add", str(origin), "module")
    sh(outer / "module", "git", "lfs", "pull")
    borrows = _clone(origin, tmp_path / "borrows", "--shared")
    for path in (origin, tmp_path / "linked", elsewhere, within, outer / "module", borrows):
        assert _seen(path, "deep/a.bin") == "content of deep/a.bin\n", path
    assert (tmp_path / "storage/lfs/objects").is_dir()
    assert (within / ".git/in/here/objects").is_dir()


def test_an_object_that_is_not_there_whole_is_a_pointer(tmp_path: Path) -> None:
    path = _repository(tmp_path / "repo")
    for name in _objects(path):
        (path / ".git/lfs/objects" / name[:2] / name[2:4] / name).write_text("con")
    assert _seen(path, "a.bin").startswith(_BEGINS)


def test_contents_of_every_size_go_in_and_come_out_as_they_are(tmp_path: Path) -> None:
    path = _repository(tmp_path / "repo")
    workspace = Workspace.read(str(path))
    place = GitLocation(git_dir=Path(workspace.git_dir), work_tree=path)
    settings = workspace.checkout_settings
    for size in (0, 1, 1023, 1024, 1025, 65515, 65516, 65517, 65520, 300_000, 5_000_000):
        content = os.urandom(size)
        blob = filter_drivers.encoded(content, "x.bin", settings, **place)
        assert blob is not None
        assert sh(path, "git", "cat-file", "blob", blob).startswith(_BEGINS) or size == 0
        assert filter_drivers.decoded(blob, "x.bin", settings, **place) == content
        # Of what is no pointer though it should be one.
        plain = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"], cwd=path, input=content, capture_output=True, check=True
        )
        assert filter_drivers.decoded(plain.stdout.decode().strip(), "x.bin", settings, **place) == content


def test_what_extensions_have_made_of_a_file_the_user_s_own_driver_decodes(tmp_path: Path) -> None:
    rot = "tr a-z n-za-m"
    settings = [f"lfs.extension.rot.{each}={rot}" for each in ("clean", "smudge")]
    path = _repository(tmp_path / "repo", *settings, "lfs.extension.rot.priority=0")
    assert "\next-0-rot " in sh(path, "git", "show", "HEAD:a.bin")
    assert _seen(path, "a.bin") == "content of a.bin\n"
    shutil.rmtree(path / ".git/lfs/objects")
    assert "\next-0-rot " in _seen(path, "a.bin")


async def test_large_files_without_their_program_are_refused(harness: Harness, tmp_path: Path) -> None:
    path, ran = _repository(tmp_path / "repo"), tmp_path / "ran"
    sh(path, "git", "config", "filter.lfs.process", "no-such-git-lfs filter-process")
    async with harness.working():
        handle = await harness.start({"workspace": str(path), "tasks": tasks({"id": "a", "run": f"touch {ran}"})})
        told = await ended(handle)
    assert isinstance(told, ApplicationError)
    assert told.type == "InvalidPlan"
    assert "the filter 'lfs' failed" in told.message
    assert "git lfs install" in told.message
    assert not ran.exists()


async def test_an_agent_s_own_git_takes_modules_of_nobody_s(harness: Harness, tmp_path: Path) -> None:
    path, ran, planted = _repository(tmp_path / "repo"), tmp_path / "ran", tmp_path / "planted"
    planted.mkdir()
    for name in ("re", "shlex", "contextlib", "subprocess", "sitecustomize"):
        (planted / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\n")
    run = (
        "echo 1 > new.bin; git add new.bin; git show :new.bin > seen; rm a.bin; git checkout a.bin; cat a.bin >> seen;"
        f" cp {planted}/*.py .; echo 2 > b.bin; git add b.bin; rm *.py"
    )
    row = {"id": "a", "run": run, "env": {"PYTHONPATH": str(planted)}}
    document = await harness.run({"workspace": str(path), "tasks": tasks(row)})
    assert document["status"] == "succeeded", document["results"][0]["error"]
    seen = sh(path, "git", "show", f"{document['delivery']['branch']}:seen")
    assert seen.startswith(_BEGINS)
    assert seen.endswith("content of a.bin\n")
    assert not ran.exists()


def test_doctor_counts_what_was_not_fetched(tmp_path: Path) -> None:
    path = _clone(_repository(tmp_path / "origin"), tmp_path / "clone")
    sh(path, "git", "lfs", "pull", "--include=/a.bin")
    (found,) = (each.found for each in traits(Workspace.read(str(path))) if each.name == "filter lfs")
    assert found == "2 files, 1 not fetched"
    sh(path, "git", "lfs", "pull")
    (found,) = (each.found for each in traits(Workspace.read(str(path))) if each.name == "filter lfs")
    assert found == "2 files"
