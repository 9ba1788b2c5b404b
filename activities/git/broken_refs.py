"""Refs of a hub that lead to a missing object: set aside in a file, and put back where the object returns.

One of them is enough to stop every collection, and fetches of others' work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from activities.git.command import ABSENT, git, run_git, text
from activities.system import file_lock
from activities.system.atomic_write import write_atomically

_NOTE = "epw-broken-refs.json"
_SIGNS = (
    *("bad object", "missing object", "missing blob", "missing tree", "missing commit", "unable to read"),
    *("did not send all necessary objects", "Could not read", "could not parse", "unable to parse"),
)
_MAX_NAMED = 3
MENDING = "refs/mending"
"""Where refs are that a source of missing objects has, until those set aside are put back."""


def is_sign(error: Exception) -> bool:
    """Whether git's message may come from a missing object."""
    return any(each in str(error) for each in _SIGNS)


def set_aside(hub: Path) -> dict[str, str]:
    """Take every broken ref out of the hub; what was set aside now, commits by ref."""
    with file_lock.exclusive(hub / f"{_NOTE}.lock"):
        refs = _refs(hub)
        bad = _incomplete(hub, list(dict.fromkeys(refs.values())), [])
        found = {ref: commit for ref, commit in refs.items() if commit in bad}
        if found:
            # The note first: nothing is forgotten where this is cut off.
            _note(hub, {**_read(hub), **found})
            listed = "".join(f"delete {ref}\n" for ref in found)
            git("update-ref", "--stdin", git_dir=hub, stdin=listed.encode())
        return found


def put_back(hub: Path) -> None:
    """Restore the refs that were set aside and whose objects are all here again; those of `MENDING` go."""
    with file_lock.exclusive(hub / f"{_NOTE}.lock"):
        aside, there, left = _read(hub), _refs(hub), {}
        good = list(there.values())
        bad = _incomplete(hub, list(dict.fromkeys(aside.values())), good)
        for ref, commit in aside.items():
            if ref in there:
                continue
            if commit in bad:
                left[ref] = commit
            else:
                git("update-ref", ref, commit, ABSENT, git_dir=hub)
        _note(hub, left)
        listed = git("for-each-ref", "--format=delete %(refname)", MENDING, git_dir=hub)
        git("update-ref", "--stdin", git_dir=hub, stdin=listed)


def lost(hub: Path, prefix: str = "refs/epw") -> dict[str, str]:
    """The refs beneath a prefix that are set aside, commits by ref."""
    return {ref: commit for ref, commit in _read(hub).items() if ref.startswith(f"{prefix}/")}


def forget(hub: Path, prefix: str) -> None:
    """Remove the refs beneath a prefix from those that are set aside."""
    with file_lock.exclusive(hub / f"{_NOTE}.lock"):
        _note(hub, {ref: commit for ref, commit in _read(hub).items() if not ref.startswith(f"{prefix}/")})


def is_sound(hub: Path, prefix: str) -> bool:
    """Whether the commits that refs beneath a prefix name are there; what they reach is not looked at."""
    listed = git("for-each-ref", "--format=%(objectname)", prefix, git_dir=hub)
    return b"missing" not in git("cat-file", "--batch-check", git_dir=hub, stdin=listed) if listed else True


def sentence(refs: Iterable[str]) -> str:
    """What a user is told of refs that are lost."""
    names = sorted(refs)
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return f"objects are missing, so that these saved changes are lost: {', '.join(names[:_MAX_NAMED])}{more}"


def _refs(hub: Path) -> dict[str, str]:
    rows = text(git("for-each-ref", "--format=%(refname) %(objectname)", git_dir=hub)).splitlines()
    return dict(row.split(" ", 1) for row in rows)


def _incomplete(hub: Path, names: Sequence[str], good: list[str]) -> set[str]:
    """Those of the objects that are missing, or something that they reach; adds all others to `good`."""
    if not names:
        return set()
    listed = "".join(f"{each}\n" for each in [*names, *(f"^{each}" for each in good)])
    done = run_git("rev-list", "--objects", "--quiet", "--stdin", git_dir=hub, stdin=listed.encode(), codes=(0, 1, 128))
    if done.returncode == 0:
        good += names
        return set()
    half = len(names) // 2
    return _incomplete(hub, names[:half], good) | _incomplete(hub, names[half:], good) if half else {*names}


def _read(hub: Path) -> dict[str, str]:
    path = hub / _NOTE
    found: dict[str, str] = json.loads(path.read_bytes()) if path.is_file() else {}
    return found


def _note(hub: Path, refs: dict[str, str]) -> None:
    path = hub / _NOTE
    if refs:
        write_atomically(path, json.dumps(refs).encode())
    else:
        path.unlink(missing_ok=True)
