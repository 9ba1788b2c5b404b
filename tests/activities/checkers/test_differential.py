"""Of the messages about a merge those count that neither side has."""

from __future__ import annotations

from functools import partial

from activities.checkers.checker import Message
from activities.checkers.differential import defects, new_messages
from activities.checkers.registry import CHECKERS

TY = CHECKERS["ty"]
FILES = {"a.py": b"import gone\nx = f(1)\n", "b.py": b"try:\n    import gone\nexcept ImportError:\n    gone = None\n"}


def content(path: str, files: dict[str, bytes] = FILES) -> bytes:
    return files.get(path, b"")


def new(merged: Message, *side: Message) -> list[Message]:
    return new_messages(TY, [merged], [list(side)], [content, content])


def test_what_a_side_says_too_is_not_new() -> None:
    message = Message("a.py", 2, "bad-call", "f takes no argument")
    assert new(message) == [message]
    assert new(message, message) == []
    # The line has moved, or the file.
    assert new(message, message._replace(line=9)) == []
    assert new(message, message._replace(path="c.py")) == []
    assert new(message, message._replace(rule="other")) == [message]


def test_one_about_the_same_line_is_not_new_in_other_words() -> None:
    message = Message("a.py", 2, "bad-call", "expected `A`, found `B`")
    old = {"a.py": b"x = f(1)\n"}
    side = Message("a.py", 1, "bad-call", "expected `A`, found `C`")
    assert new_messages(TY, [message], [[side]], [content, partial(content, files=old)]) == []


def test_rules_of_style_and_handled_imports_do_not_count() -> None:
    assert new(Message("a.py", 2, "deprecated", "f is deprecated")) == []
    missing = Message("b.py", 2, "unresolved-import", "Cannot resolve imported module `gone`")
    assert new(missing) == []
    assert new(missing._replace(path="a.py", line=1)) != []


def test_what_two_checkers_say_of_one_name_in_one_line_is_one_defect() -> None:
    ty, pyrefly = Message("a.py", 2, "x", "`Order` has no `total`"), Message("a.py", 2, "y", "no `total` in it")
    other, next_line = Message("a.py", 2, "z", "`count` is no number"), ty._replace(line=3)
    said = [("ty", ty), ("pyrefly", pyrefly), ("pyrefly", other), ("pyrefly", next_line)]
    assert defects(said) == [(ty, ["ty", "pyrefly"]), (other, ["pyrefly"]), (next_line, ["pyrefly"])]
