"""Kinds of repository that people work in, and edits that agents make in each as a person would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import repositories as made

_EDIT = "sed -i 's/^{old} /{new} /' {file}"
_WRITE = "echo '{text}' > {file}"
_EDIT_16 = (
    'python3 -c \'import pathlib; f = pathlib.Path("{file}"); t = f.read_bytes().decode("utf-16");'
    ' f.write_bytes(t.replace("\\n{old} ", "\\n{new} ").encode("utf-16"))\''
)
_WRITE_16 = 'python3 -c \'import pathlib; pathlib.Path("{file}").write_bytes("{text}\\n".encode("utf-16"))\''


@dataclass(frozen=True)
class Kind:
    """`build` fills a folder and gives the workspace in it; `odd` is shell text that edits what only this kind has."""

    name: str
    build: Callable[[Path], Path]
    at: str = ""
    suffix: str = ".txt"
    odd: str = ""
    edit: str = _EDIT
    write: str = _WRITE
    program: str | None = None
    """Program that must be installed, and its Debian package."""
    secret: bool = False
    """Its files are stored encrypted: their clear text may be nowhere."""
    opaque: bool = False
    """git merges no lines of its files."""
    git: bool = True
    modes: bool = True
    """Whether git looks at who may run a file."""

    def edits(self) -> dict[str, str]:
        """Shell text by task: two lines of one file, a new file, a deletion, and what is odd."""
        found = {
            "top": self._edited("3", "three"),
            "bottom": self._edited("17", "seventeen"),
            "new": self._written("new"),
            "gone": f"rm {self._file('gone')}",
        }
        return {**found, "odd": self.odd} if self.odd else found

    def later(self) -> dict[str, str]:
        """Edits of a second delivery."""
        return {"again": f"{self._edited('9', 'nine')}; {self._written('again')}; rm {self._file('new')}"}

    def last(self) -> str:
        """Command of the task that fails at first."""
        return self._written("late")

    def _file(self, name: str) -> str:
        return f"{self.at}{name}{self.suffix}"

    def _edited(self, old: str, new: str) -> str:
        return self.edit.format(file=self._file("shared"), old=old, new=new)

    def _written(self, name: str) -> str:
        return self.write.format(file=self._file(name), text=f"{name} $Id$")


_NFC, _NFD = "$'caf\\xc3\\xa9'", "$'cafe\\xcc\\x81'"
_SPACE, _LINE, _QUOTE, _BYTES = "'a b.txt'", "$'c\\nd.txt'", "$'e\\'\"f.txt'", "$'g\\xe9\\xff.txt'"
_ODD = (_SPACE, _LINE, _QUOTE, _BYTES)

KINDS = (
    Kind("plain", made.with_files()),
    Kind("git-lfs", made.lfs, program="git-lfs", opaque=True),
    Kind(
        "git-lfs, files not fetched",
        made.lfs_not_fetched,
        suffix=".md",
        odd="echo 1 > big.txt",
        program="git-lfs",
    ),
    Kind("git-lfs, some files fetched", made.lfs_partly_fetched, program="git-lfs", opaque=True),
    Kind(
        "git-lfs, `lfs.storage` elsewhere",
        made.with_files(
            "*.txt filter=lfs diff=lfs merge=lfs -text",
            ("git", "config", "lfs.storage", "ROOT/storage/lfs"),
            made.LFS,
        ),
        program="git-lfs",
        opaque=True,
    ),
    Kind("git-crypt, unlocked", made.crypt, program="git-crypt", secret=True, opaque=True),
    Kind("git-crypt, locked", made.crypt_locked, suffix=".md", program="git-crypt"),
    Kind("a filter that is not configured", made.not_configured, suffix=".md"),
    Kind("`ident`", made.with_files("*.txt ident")),
    Kind(
        "`working-tree-encoding` UTF-16",
        made.with_files("*.txt text working-tree-encoding=UTF-16LE-BOM", encoding="utf-16"),
        edit=_EDIT_16,
        write=_WRITE_16,
    ),
    Kind("`core.autocrlf=true`", made.with_files("", ("git", "config", "core.autocrlf", "true"))),
    Kind("`eol` attributes", made.with_files("*.txt text eol=crlf\n*.md text eol=lf"), odd="printf '1\\r\\n' > e.md"),
    Kind("a submodule", made.submodules, at="lib/"),
    Kind("nested submodules", made.submodules, at="lib/inner/", odd="echo 1 > lib/odd; echo 2 > odd"),
    Kind("submodules without files", made.submodules_without_files),
    Kind("a linked worktree", made.linked),
    Kind("a shallow clone", made.clone("--depth=1")),
    Kind("a partial clone", made.clone("--filter=blob:none")),
    Kind("a sparse checkout", made.sparse, at="in/"),
    Kind("borrowed objects", made.clone("--shared", local=True)),
    Kind("no commit yet", made.unborn),
    Kind("a detached HEAD", made.detached),
    Kind("uncommitted work of every sort", made.dirty, odd="echo more >> intended; echo more >> added; rm untracked"),
    Kind("names that differ in case", made.names("README", "Readme"), odd="echo 2 >> README; echo 3 >> Readme"),
    Kind("names in NFC and NFD", made.names(_NFC, _NFD), odd=f"echo 2 >> {_NFC}; echo 3 >> {_NFD}"),
    Kind(
        "links and executables",
        made.links,
        odd="ln -sfn shared.md link; rm broken; echo file > broken; ln -s keep.txt more; chmod -x tool; chmod +x *.md",
    ),
    Kind(
        "odd names",
        made.names(*_ODD),
        odd="; ".join(f"echo 2 >> {name}" for name in _ODD[1:]) + f"; rm {_SPACE}; echo 4 > $'h\\n\\xfe i'",
    ),
    Kind(
        "files and directories that trade places",
        made.after("mkdir -p a/b; echo 1 > a/b/c; echo 2 > d; git add -A; git commit -qm all"),
        odd="rm -r a; echo 3 > a; rm d; mkdir -p d/e; echo 4 > d/e/f",
    ),
    Kind("a git directory elsewhere", made.separate),
    Kind("a split index", made.after("git update-index --split-index; echo 1 > more; git add more")),
    Kind(
        "`core.fileMode=false`",
        made.after("echo 1 > tool; chmod +x tool; git add -A; git commit -qm all; git config core.fileMode false"),
        odd="chmod +x keep.md; echo 2 >> tool; echo 3 > made; chmod +x made",
        modes=False,
    ),
    Kind(
        "files that git was told not to look at",
        made.after(
            "git update-index --assume-unchanged keep.md; git update-index --skip-worktree keep.txt",
            "echo 1 | tee keep.*",
        ),
    ),
    Kind("a plain directory", made.directory, git=False),
    Kind("SHA-256", made.sha256),
    Kind("reftable, where git lacks it", made.reftable),
    Kind("an object that cannot be read", made.damaged),
)
