"""Untracked files that look like secrets, by their names and contents: they stay out of what agents start from."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import translate
from functools import partial
from pathlib import Path

from activities.git.command import git, list_paths, records
from activities.system.file_content import content
from activities.system.tokens import tokens

_SHORTEST = 6
_ELSEWHERE = ("$", "<", "{{", "http://", "https://")
"""What a value begins with that names where a secret is, or what is to be filled in."""
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----")
_PATTERNS = (".example", ".sample", ".template", ".dist", ".defaults", ".schema")
"""What a file ends with that shows which variables there are, without their values."""


def _always(data: bytes) -> bool:
    return True


def _has_private_key(data: bytes) -> bool:
    return _PRIVATE_KEY.search(data) is not None


def _has_token(data: bytes) -> bool:
    return _has_private_key(data) or any(not each.startswith(_ELSEWHERE) for each in tokens(data, _SHORTEST))


_DATA = ("json", "yaml", "yml", "toml", "ini", "properties")
_KINDS: tuple[tuple[Callable[[bytes], bool], tuple[str, ...]], ...] = (
    (_always, (".env", ".env.*", "*.env", ".envrc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519")),
    (_always, ("*.ppk", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx")),
    (_always, (".netrc", "_netrc", ".pgpass", ".htpasswd", ".git-credentials", ".dockercfg", ".vault-token")),
    (_has_private_key, ("*.pem", "*.key", "*.asc", "*_rsa", "*_ed25519")),
    (_has_token, (".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", "pip.conf", ".s3cfg", ".boto", "gradle.properties")),
    (_has_token, ("credentials", "auth.json", "token.json", "tokens.json", "*.tfvars", "*.tfstate", "kubeconfig")),
    (_has_token, ("*credentials*.json", "client_secret*.json", "*service*account*.json")),
    (_has_token, tuple(f"{name}.{suffix}" for name in ("credentials", "secret", "secrets") for suffix in _DATA)),
)
"""What the content must have for names to be those of secrets."""
_KNOWN = tuple((re.compile("|".join(map(translate, names)), re.IGNORECASE), holds) for holds, names in _KINDS)


def looks_secret(path: str, content: Callable[[], bytes]) -> bool:
    """Whether a file is one that people keep to themselves; `content` is asked for only where its name is no answer."""
    name = path.rpartition("/")[2]
    if name.lower().endswith(_PATTERNS):
        return False
    return any(pattern.match(name) and holds(content() if holds is not _always else b"") for pattern, holds in _KNOWN)


def untracked_secrets(root: Path, excludes: str, trust: Sequence[str]) -> list[str]:
    """Untracked files of a work tree that look like secrets; not those that a .gitignore says are none (`!name`).

    `excludes`: the user's own ignore patterns; `trust`: settings by which git enters the repository.
    """
    found = secrets_among(root, _untracked(root, excludes, trust))
    kept = _untracked(root, excludes + ignoring(found), trust) if found else []
    return [path for path in found if path not in kept]


def _untracked(root: Path, excludes: str, trust: Sequence[str]) -> list[str]:
    with tempfile.NamedTemporaryFile("w", prefix="epw-exclude-", errors="surrogateescape") as file:
        file.write(excludes)
        file.flush()
        listed = ("ls-files", "--others", "--exclude-standard", "-z")
        return records(git(*listed, cwd=root, config=[*trust, f"core.excludesFile={file.name}"]))


def secrets_among(root: Path, paths: Iterable[str]) -> list[str]:
    """Those of the paths below a directory that are files and look like secrets."""
    return [path for path in paths if _is_file(root / path) and looks_secret(path, partial(content, root / path))]


def ignoring(paths: Iterable[str]) -> str:
    """Lines that make git ignore exactly these paths."""
    quoted = (re.sub(r"([*?\[\\ ])", r"\\\1", path).replace("\n", "?") for path in paths)
    return "".join(f"\n/{each}" for each in quoted)


def advice(paths: Sequence[str], included: Collection[str] = ()) -> list[str]:
    """What became of such files and what a user can do, in a sentence; none where all are `included`, by a plan."""
    had = [os.path.normpath(each) for each in included]
    out = [path for path in paths if not any(each == "." or f"{path}/".startswith(f"{each}/") for each in had)]
    if not out:
        return []
    return [
        f"left out: {list_paths(out)}: untracked, and secret by name or content, so in no agent's copy and no branch;"
        " best ignore it (.gitignore); agents that need it: `include`; if it is no secret: `git add`"
    ]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
