"""Builders of repositories, each in a folder of its own; what they give is the workspace in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import make_repository, sh

CANARY = "swordfish"
ALLOW = ("git", "-c", "protocol.file.allow=always")
_MOVES = ("config", "config.worktree", ".git", "gitdir", "alternates")
LFS = ("git", "lfs", "install", "--local", "--force")


def lines(word: str = "line") -> str:
    return "".join(f"{number} {word}\n" for number in range(20)) + "$Id$\n"


def relocated(root: Path, to: Path) -> Path:
    """A copy of a folder whose repositories name each other by their new paths."""
    shutil.copytree(root, to, symlinks=True)
    for name in _MOVES:
        for file in to.rglob(name):
            if file.is_file() and str(root).encode() in (content := file.read_bytes()):
                file.write_bytes(content.replace(str(root).encode(), str(to).encode()))
    return to


def _fill(folder: Path, encoding: str = "utf-8", word: str = "line") -> None:
    """Files of which those with `.txt` are the kind's own sort: so encoded, with this word in each line."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("shared", "gone", "keep"):
        (folder / f"{name}.txt").write_bytes(lines(word).encode(encoding))
        (folder / f"{name}.md").write_text(lines())


def _commit(path: Path) -> Path:
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "all")
    return path


def _me(path: Path) -> Path:
    sh(path, "git", "config", "user.name", "Ada")
    sh(path, "git", "config", "user.email", "ada@example.org")
    return path


def with_files(attributes: str = "", *commands: tuple[str, ...], **files: str) -> Callable[[Path], Path]:
    """A repository with attributes, in which commands have been run before there was a file."""

    def build(root: Path) -> Path:
        path = make_repository(root / "repo")
        for command in commands:
            sh(path, *(word.replace("ROOT", str(root)) for word in command))
        if attributes:
            (path / ".gitattributes").write_text(f"{attributes}\n")
        _fill(path, **files)
        _commit(path)
        # As git itself checks them out: with its line ends, `$Id$`, large files.
        for file in path.glob("[!.]*.*"):
            file.unlink()
        sh(path, "git", "checkout", "--quiet", "--force", "HEAD", "--", ".")
        return path

    return build


lfs = with_files("*.txt filter=lfs diff=lfs merge=lfs -text", LFS)
crypt = with_files("*.txt filter=git-crypt diff=git-crypt", ("git-crypt", "init"), word=CANARY)


def lfs_not_fetched(root: Path) -> Path:
    origin = lfs(root / "origin")
    sh(root, "env", "GIT_LFS_SKIP_SMUDGE=1", "git", "clone", "--quiet", str(origin), str(root / "repo"))
    sh(root / "repo", *LFS)
    return _me(root / "repo")


def lfs_partly_fetched(root: Path) -> Path:
    path = lfs_not_fetched(root)
    sh(path, "git", "lfs", "pull", "--include=shared.txt,README.md")
    return path


def crypt_locked(root: Path) -> Path:
    path = crypt(root)
    sh(path, "git-crypt", "lock")
    return path


def not_configured(root: Path) -> Path:
    path = with_files("*.txt filter=rot", ("git", "config", "filter.rot.clean", "tr a-z n-za-m"))(root)
    sh(path, "git", "config", "--remove-section", "filter.rot")
    sh(path, "git", "status")
    return path


def clone(*options: str, local: bool = False) -> Callable[[Path], Path]:
    def build(root: Path) -> Path:
        origin = with_files()(root / "origin")
        _fill(origin / "in")
        _fill(origin / "out")
        _commit(origin)
        sh(origin, "git", "config", "uploadpack.allowFilter", "true")
        sh(origin, "git", "config", "uploadpack.allowAnySHA1InWant", "true")
        address = str(origin) if local else f"file://{origin}"
        sh(root, "git", "clone", "--quiet", *options, address, str(root / "repo"))
        return _me(root / "repo")

    return build


def sparse(root: Path) -> Path:
    path = clone("--sparse")(root)
    sh(path, "git", "sparse-checkout", "set", "--cone", "in")
    return path


def submodules(root: Path) -> Path:
    deep, lib, path = (with_files()(root / name) for name in ("deep", "lib", "app"))
    for outer, inner, at in ((lib, deep, "inner"), (path, lib, "lib")):
        sh(outer, *ALLOW, "submodule", "--quiet", "add", str(inner), at)
        sh(outer, *ALLOW, "submodule", "--quiet", "update", "--init", "--recursive")
        _commit(outer)
    for each in (path / "lib", path / "lib/inner"):
        _me(each)
    return path


def submodules_without_files(root: Path) -> Path:
    path = submodules(root)
    sh(path, "git", "submodule", "--quiet", "deinit", "--force", "--all")
    return path


def linked(root: Path) -> Path:
    main = with_files()(root / "main")
    sh(main, "git", "worktree", "add", "--quiet", "-b", "linked", str(root / "linked"))
    return root / "linked"


def unborn(root: Path) -> Path:
    path = root / "repo"
    path.mkdir()
    sh(path, "git", "init", "--quiet", "--initial-branch", "main")
    _fill(path)
    return _me(path)


def detached(root: Path) -> Path:
    path = with_files()(root)
    sh(path, "git", "checkout", "--quiet", "--detach")
    return path


def sha256(root: Path) -> Path:
    path = root / "repo"
    path.mkdir()
    sh(path, "git", "init", "--quiet", "--object-format=sha256")
    _fill(path)
    return _commit(_me(path))


def reftable(root: Path) -> Path:
    """As a newer git leaves it: one that lacks the format refuses it itself."""
    path = with_files()(root)
    sh(path, "git", "config", "core.repositoryFormatVersion", "1")
    sh(path, "git", "config", "extensions.refStorage", "reftable")
    return path


def directory(root: Path) -> Path:
    _fill(root / "repo")
    return root / "repo"


def dirty(root: Path) -> Path:
    path = with_files()(root)
    sh(path, "bash", "-c", "sed -i 's/^1 /staged /' shared.txt keep.md; git add shared.txt keep.md")
    sh(path, "bash", "-c", "sed -i 's/^5 /unstaged /' shared.txt; echo 1 > untracked; echo 2 > intended; rm gone.md")
    sh(path, "bash", "-c", "echo 3 > added; git add added; git add --intent-to-add intended; git rm -q keep.txt")
    return path


def names(*names: str) -> Callable[[Path], Path]:
    def build(root: Path) -> Path:
        path = with_files()(root)
        for name in names:
            sh(path, "bash", "-c", f"echo 1 > {name}")
        return _commit(path)

    return build


def links(root: Path) -> Path:
    path = with_files()(root)
    sh(path, "bash", "-c", "ln -s keep.md link; ln -s nowhere broken; ln -s in here; echo 1 > tool; chmod +x tool")
    return _commit(path)


def separate(root: Path) -> Path:
    path = with_files()(root)
    (root / "store").mkdir()
    sh(path, "git", "init", "--quiet", f"--separate-git-dir={root}/store/.git")
    return path


def after(*commands: str, attributes: str = "") -> Callable[[Path], Path]:
    """A repository in which shell text has been run at last."""

    def build(root: Path) -> Path:
        path = with_files(attributes)(root)
        for command in commands:
            sh(path, "bash", "-euc", command)
        return path

    return build


def damaged(root: Path) -> Path:
    path = with_files()(root)
    name = sh(path, "git", "rev-parse", "HEAD:keep.md").strip()
    file = path / ".git/objects" / name[:2] / name[2:]
    file.chmod(0o644)
    file.write_bytes(b"garbage")
    return path


def bare_repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A bare repository with one commit on `main`, to be a git URL."""
    make_repository(folder / "first", files)
    sh(folder, "git", "clone", "--quiet", "--bare", str(folder / "first"), "origin.git")
    return folder / "origin.git"
