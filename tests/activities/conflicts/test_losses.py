"""Losses: parts of a change that a later tree lacks are told from those that were made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.conflicts.textual.losses import dropped_paths, overwritten_paths
from activities.git.hub import Hub
from activities.state.state_directory import StateDirectory

BASE = {"f": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"}
Files = dict[str, str]


def _commit(hub: Hub, files: Files, *parents: str) -> str:
    tree = hub.with_files(hub.tree_of(hub.empty_commit()), {p: ("100644", t.encode()) for p, t in files.items()})
    return hub.commit(tree, parents, "x", None, 0)


def _left(tmp_path: Path, earlier: Files, start: Files, new: Files) -> list[str]:
    hub = Hub.created(StateDirectory(tmp_path).hub_without_workspace)
    base = _commit(hub, BASE)
    return dropped_paths(
        hub, hub.files, _commit(hub, earlier, base), _commit(hub, start, base), _commit(hub, new, base)
    )


def _f(**lines: str) -> Files:
    """The base with some lines replaced; an empty text: the line is gone."""
    text = "".join(lines.get(f"l{n}", f"{n}\n") for n in range(1, 10))
    return {"f": text}


@pytest.mark.parametrize(
    ("earlier", "start", "new", "left"),
    [
        (_f(l5="b\n"), _f(l5="a\n"), _f(l5="a\n"), ["f"]),
        (_f(l5=""), _f(l5="a\n"), _f(l5="a\n"), ["f"]),
        (_f(l5="b\n", l9="9b\n"), _f(l5="a\n"), _f(l5="a\n", l9="9b\n"), ["f"]),
        (_f(l5="b\n", l9="9b\n"), _f(l5="a\n"), _f(l5="a b\n"), ["f"]),
        (_f(l5="b\n", l6="6b\n"), _f(l5="a\n"), _f(l5="a\n", l6="6b\n"), ["f"]),
        (_f(l5="b\n"), _f(l5="a\n"), _f(l5="a b\n"), []),
        (_f(l5="b\n"), _f(l5="b\n", l1="a\n"), _f(l5="b\n", l1="a\n"), []),
        ({**BASE, "2_b": "b\n"}, {**BASE, "2_a": "a\n"}, {**BASE, "2_a": "a\n", "3_b": "b\n"}, []),
        ({**BASE, "n": "b\n"}, {**BASE, "n": "a\n"}, {**BASE, "n": "a\n"}, ["n"]),
        ({**BASE, "n": "b\n"}, {**BASE, "n": "a\n"}, {**BASE, "n": "a\nb\n"}, []),
        ({}, _f(l5="a\n"), _f(l5="a\n"), ["f"]),
        ({}, _f(l5="a\n"), {}, []),
        ({"f": "\0b"}, {"f": "\0a"}, {"f": "\0a"}, ["f"]),
        ({"f": "\0b"}, {"f": "\0a"}, {"f": "\0ab"}, []),
    ],
    ids=[
        "nothing was done",
        "a deletion was not made",
        "one of two places",
        "what would merge was not made",
        "one of two lines beside each other",
        "made on the other side's",
        "another has made it",
        "under another name",
        "a new file is the other's",
        "a new file has both",
        "a file is still there",
        "a file was deleted",
        "a binary file as it was",
        "a binary file made anew",
    ],
)
def test_what_is_left_out(tmp_path: Path, earlier: Files, start: Files, new: Files, left: list[str]) -> None:
    assert _left(tmp_path, earlier, start, new) == left


@pytest.mark.parametrize(
    ("new", "lost"),
    [(_f(l5="a\n"), []), (_f(l5="a and b\n"), []), (_f(l5="b\n"), ["f"]), (_f(l5=""), ["f"]), ({}, ["f"])],
)
def test_a_line_that_became_a_part_of_a_new_one_is_not_lost(tmp_path: Path, new: Files, lost: list[str]) -> None:
    hub = Hub.created(StateDirectory(tmp_path).hub_without_workspace)
    base = _commit(hub, BASE)
    assert overwritten_paths(hub.files, base, _commit(hub, _f(l5="a\n"), base), _commit(hub, new, base), ["f"]) == lost
