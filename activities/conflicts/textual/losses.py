"""Losses of a rerun: lines of the other side that it removed, and parts of its earlier change that it dropped."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from activities.git.changes import changed_paths
from activities.git.hub import Hub
from activities.git.merge_file import merge_texts

_MAX_BYTES = 1_000_000
_MAX_COMPARED = 500
_SIMILAR = 0.5

Content = bytes | None
Read = Callable[[Sequence[tuple[str, str]]], list[Content]]
"""Contents of files by commit and path."""


def overwritten_paths(read: Read, base: str, ours: str, new: str, paths: list[str]) -> list[str]:
    """Paths in which `new` lacks lines that `ours` had added to `base`.

    A line that is part of a new, longer one is not lacking.
    """
    versions = read([(commit, path) for path in paths for commit in (base, ours, new)])
    sides = zip(paths, versions[::3], versions[1::3], versions[2::3], strict=True)
    return [path for path, *contents in sides if _loses(*contents)]


def dropped_paths(hub: Hub, read: Read, earlier: str, start: str, new: str) -> list[str]:
    """Paths of the change `earlier` of which `new` holds a part neither as it was nor in another form.

    `start`: the commit on which the task ran again. A part counts as made in another form where the rerun has changed
    the lines that it conflicts with.
    """
    base = hub.parent_of(earlier)
    paths = changed_paths(hub, base, earlier)[:_MAX_COMPARED]
    versions = read([(commit, path) for path in paths for commit in (base, earlier, start, new)])
    sides = zip(paths, versions[::4], versions[1::4], versions[2::4], versions[3::4], strict=True)
    left = {path: change for path, before, change, *ran in sides if _drops_a_part(before, change, *ran)}
    if not left:
        return []
    made = [path for path in changed_paths(hub, start, new) if path not in left][:_MAX_COMPARED]
    contents = [each for each in read([(new, path) for path in made]) if each is not None]
    return [path for path, change in left.items() if not any(_similar(change, each) for each in contents)]


def _drops_a_part(before: Content, change: Content, start: Content, new: Content) -> bool:
    if new == change or change == before:
        return False
    texts = [each or b"" for each in (before, start, new, change)]
    if change is None or new is None or any(len(each) > _MAX_BYTES or b"\0" in each for each in texts):
        return new == start
    base, began, now, theirs = texts
    merged = merge_texts(base, now, theirs)
    if merged is None:
        return new == start
    ours, missing = _missing_in_ours(merged)
    if ours != now.splitlines(keepends=True):
        # A part that would merge cleanly is missing.
        return True
    ran = difflib.SequenceMatcher(None, began.splitlines(keepends=True), ours, autojunk=False)
    touched = [(first, last) for tag, _, _, first, last in ran.get_opcodes() if tag != "equal"]
    return any(not any(_meet(place, each) for each in touched) for place in missing)


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two ranges of lines overlap; an empty range also meets one that it touches."""
    begin, end = max(one[0], other[0]), min(one[1], other[1])
    return begin < end or (begin == end and (one[0] == one[1] or other[0] == other[1]))


def _missing_in_ours(marked: bytes) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Our side of a text with conflict markers, and the ranges in it (start, end) where a change of theirs is missing.

    A range is empty where ours has no lines in place of theirs.
    """
    ours: list[bytes] = []
    missing: list[tuple[int, int]] = []
    base: list[bytes] = []
    theirs: list[bytes] = []
    part, first = "", 0
    for line in marked.splitlines(keepends=True):
        if line.startswith(b"<<<<<<< "):
            part, first, base, theirs = "ours", len(ours), [], []
        elif part == "ours" and line.startswith(b"||||||| "):
            part = "base"
        elif part == "base" and line.rstrip(b"\r\n") == b"=======":
            part = "theirs"
        elif part == "theirs" and line.startswith(b">>>>>>> "):
            part = ""
            missing += [(first + i, first + j) for i, j in _missing(ours[first:], base, theirs)]
        else:
            {"base": base, "theirs": theirs}.get(part, ours).append(line)
    return ours, missing


def _missing(ours: list[bytes], base: list[bytes], theirs: list[bytes]) -> list[tuple[int, int]]:
    """Ranges of our lines that lack a change of theirs: they lack an added line, or still have a removed one."""
    have, had = Counter(ours), Counter(base)
    aligned = difflib.SequenceMatcher(None, base, ours, autojunk=False).get_opcodes()
    found = []
    for first, last, start, end in _changes(base, theirs):
        place, added = _in_ours(aligned, first, last), Counter(theirs[start:end])
        removed = Counter(base[first:last]) - added
        stays = any(have[line] > had[line] - count for line, count in removed.items())
        # Theirs removed these lines; ours has others in their place.
        stays = stays or (start == end and place[0] < place[1])
        if stays or added - have:
            found.append(place)
    return found


def _changes(base: list[bytes], side: list[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of the base and of a side that differ; line by line where both have as many lines."""
    for tag, first, last, start, end in difflib.SequenceMatcher(None, base, side, autojunk=False).get_opcodes():
        if tag == "replace" and last - first == end - start:
            yield from ((first + n, first + n + 1, start + n, start + n + 1) for n in range(last - first))
        elif tag != "equal":
            yield first, last, start, end


def _in_ours(aligned: Sequence[tuple[str, int, int, int, int]], first: int, last: int) -> tuple[int, int]:
    """The range of our lines that corresponds to a range of the base."""
    begin, end = None, 0
    for _, base, base_end, ours, ours_end in aligned:
        # Ranges of equal length correspond line by line.
        same = base_end - base == ours_end - ours
        if begin is None and (base <= first < base_end or first == last == base_end):
            begin = ours + first - base if same else ours
        if base <= last <= base_end:
            end = ours + last - base if same else ours_end
    return begin or 0, max(begin or 0, end)


def _similar(change: Content, made: bytes) -> bool:
    """Whether a file has the content of a change, under another name."""
    if change is None or max(len(change), len(made)) > _MAX_BYTES:
        return False
    return change == made or difflib.SequenceMatcher(None, _lines(change), _lines(made)).ratio() > _SIMILAR


def _loses(before: Content, mine: Content, now: Content) -> bool:
    if mine is None:
        return now is not None
    if now is None:
        return True
    if max(map(len, (before or b"", mine, now))) > _MAX_BYTES or b"\0" in mine:
        return mine != now
    added = Counter(_lines(mine)) - Counter(_lines(before or b""))
    lost = added - Counter(_lines(now))
    new = list(chain(Counter(_lines(now)) - Counter(_lines(mine))))
    return any(not any(line in each for each in new) for line in lost)


def _lines(content: bytes) -> list[bytes]:
    return [line.strip() for line in content.splitlines() if line.strip()]
