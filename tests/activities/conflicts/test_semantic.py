"""Changes that git merges and that do not fit together are found; those that only look so are not."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from activities.conflicts.semantic.check import check
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.sides import Finding
from tests.semantic_cases import CONFLICTS, LOOK_ALIKES, MOVED, STILL_THERE, Case, cases, module_cases

Files = Mapping[str, bytes | None]


def findings(case: Case) -> list[str]:
    def changed(side: dict[str, str]) -> dict[str, bytes | None]:
        found = {path: text.encode() for path, text in side.items() if case.base.get(path) != text}
        return {**found, **{path: None for path in case.base if path not in side}}

    ours, theirs = changed(case.ours), changed(case.theirs)
    base = {path: text.encode() for path, text in case.base.items() if path in {*ours, *theirs}}
    rest = {path: text.encode() for path, text in case.base.items() if path not in base}
    for path, text in {**case.base, **case.ours, **case.theirs}.items():
        assert read_symbols(path, text.encode()).parses, (path, text)
    whole = {path: tuple(side.get(path) for side in (ours, base, theirs)) for path in {*ours, *theirs}}
    merged = {path: merge(*versions) for path, versions in whole.items()}
    found = checked(base, ours, theirs, merged, rest)
    return [finding.message for finding in found]


def checked(base: Files, ours: Files, theirs: Files, merged: Files, rest: Files | None = None) -> list[Finding]:
    versions = ({**dict.fromkeys({**ours, **theirs}), **base}, ours, theirs, merged, rest or {})
    parsed = [{path: read_symbols(path, text) for path, text in files.items()} for files in versions]
    tree = [path for path, text in {**(rest or {}), **merged}.items() if text is not None]
    return check(parsed[0], parsed[1], parsed[2], parsed[3], lambda names: parsed[4].items(), lambda: tree)


def merge(ours: bytes | None, base: bytes | None, theirs: bytes | None) -> bytes | None:
    """As git merges lines; it must find nothing wrong."""
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, (ours, base or b"", theirs), strict=True):
            path.write_bytes(content)
        done = subprocess.run(["git", "merge-file", "-p", *paths], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout


LIB, USE = b"def f(a):\n    return a\n", b"from lib import f\n\nf(1)\n"


@pytest.mark.parametrize(
    ("lib", "change"), [(b"def g(a):\n    return a\n", "removed"), (b"def f(a, b):\n    return a\n", "changed")]
)
def test_a_finding_says_which_side_uses_and_what_became_of_the_definition(lib: bytes, change: str) -> None:
    defines: Files = {"lib.py": lib}
    uses: Files = {"app.py": USE}
    base: Files = {"lib.py": LIB}
    whole: Files = {**defines, **uses}
    for side, ours, theirs in (("theirs", defines, uses), ("ours", uses, defines)):
        (found,) = checked(base, ours, theirs, whole)
        assert (found.name, found.side, found.change) == ("f", side, change)
        assert (found.path, found.line, found.other, found.other_line) == ("app.py", 3, "lib.py", 1)


def test_a_finding_says_that_both_sides_added_a_definition() -> None:
    added = b"def f():\n    return 2\n"
    (found,) = checked({}, {"lib.py": LIB}, {"lib.py": added}, {"lib.py": LIB + added})
    assert (found.change, found.side, found.path, found.other) == ("added", "theirs", "lib.py", "lib.py")


@pytest.mark.parametrize("case", [*cases(CONFLICTS), *module_cases(MOVED)], ids=lambda case: case.name)
def test_what_does_not_fit_is_found(case: Case) -> None:
    assert len(findings(case)) == 1, findings(case)


@pytest.mark.parametrize("case", [*cases(LOOK_ALIKES), *module_cases(STILL_THERE)], ids=lambda case: case.name)
def test_what_only_looks_so_is_not(case: Case) -> None:
    assert findings(case) == []


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        (
            "a.rs",
            "x\n",
            "impl Display for Foo {\n    fn fmt(&self) {}\n}\n",
            "impl Debug for Foo {\n    fn fmt(&self) {}\n}\n",
        ),
        ("a.js", "x;\n", 'reg("a", { run() {} });\n', 'reg("b", { run() {} });\n'),
    ],
)
def test_one_name_in_two_places_is_not_one_thing(path: str, base: str, ours: str, theirs: str) -> None:
    sides = {path: (ours + base).encode()}, {path: (base + theirs).encode()}
    merged = {path: (ours + base + theirs).encode()}
    assert checked({path: base.encode()}, *sides, merged) == []


def test_files_for_different_machines_may_define_the_same() -> None:
    text = b"package p\n\nfunc open() int {\n\treturn 1\n}\n"
    ours, theirs = {"p/a_linux.go": text}, {"p/a_windows.go": text}
    assert checked({}, ours, theirs, {**ours, **theirs}) == []


def test_what_is_passed_on_from_elsewhere_is_not_gone() -> None:
    base: dict[str, bytes | None] = {"lib.py": b"def helper():\n    return 1\n", "app.py": b"import lib\n"}
    ours: dict[str, bytes | None] = {"lib.py": b"from other import helper\n"}
    theirs: dict[str, bytes | None] = {"app.py": b"import lib\n\nlib.helper()\n"}
    assert checked(base, ours, theirs, {**ours, **theirs}) == []


def test_a_module_whose_imports_were_left_by_its_remover_is_to_be_had_elsewhere() -> None:
    base: dict[str, bytes | None] = {"helper.py": b"x = 1\n", "app.py": b"y = 1\n"}
    rest: dict[str, bytes | None] = {"main.py": b"import helper\n"}
    ours: dict[str, bytes | None] = {"helper.py": None}
    theirs: dict[str, bytes | None] = {"app.py": b"import helper\n\ny = 1\n"}
    assert checked(base, ours, theirs, {**ours, **theirs}, rest) == []
    assert len(checked(base, ours, theirs, {**ours, **theirs})) == 1


def test_there_are_enough_of_them() -> None:
    assert len(cases(CONFLICTS)) >= 40
    assert len(cases(LOOK_ALIKES)) >= 20


@pytest.mark.parametrize("text", ["f" + "()" * 40_000, "f(" * 16_000 + ")" * 16_000, "a\n" * 200_000])
def test_what_nobody_would_write_says_nothing(text: str) -> None:
    found = read_symbols("a.py", f"{text}\n".encode())
    assert not found.parses
    assert len(found.uses) <= 50_001
    assert all(len(each.name) <= 200 for each in found.uses)


RUST = {"src/lib.rs": "pub mod uses;\npub fn foo(a: i32) -> i32 {\n    a\n}\n", "src/uses.rs": "// uses\n"}
RUST_GONE = {**RUST, "src/lib.rs": "pub mod uses;\n"}
GO = {"lib.go": "package p\n\nfunc Foo(a int) int {\n\treturn a\n}\n", "use.go": "package p\n"}
GO_GONE = {**GO, "lib.go": "package p\n"}
TS = {"m.ts": "export {};\n"}


@pytest.mark.parametrize(
    "use", ["use crate::foo;\npub fn x() -> i32 { foo(1) }\n", "pub fn x() -> i32 { crate::foo(1) }\n"]
)
def test_another_file_of_a_crate(use: str) -> None:
    (message,) = findings(Case("crate", RUST, RUST_GONE, {**RUST, "src/uses.rs": use}))
    assert "foo is used in src/uses.rs" in message


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (
            RUST,
            RUST_GONE,
            {**RUST, "src/lib.rs": "fn y() {\n    let foo = |a: i32| a;\n    foo(1);\n}\n" + RUST["src/lib.rs"]},
        ),
        (
            GO,
            GO_GONE,
            {
                **GO,
                "use.go": "package p\n\nfunc x() int {\n\tFoo := func(a int) int { return a }\n\treturn Foo(1)\n}\n",
            },
        ),
        (GO, GO_GONE, {**GO, "use.go": "package p\n\nfunc x(Foo func(int) int) int {\n\treturn Foo(1)\n}\n"}),
        (
            {"a.go": "package p\n"},
            {"a.go": "package p\n", "b.go": "//go:build linux\n\npackage p\n\nfunc Foo() {\n}\n"},
            {"a.go": "package p\n", "c.go": "//go:build !linux\n\npackage p\n\nfunc Foo() {\n}\n"},
        ),
        (
            TS,
            {"m.ts": "interface A {\n  a: 1;\n}\nexport {};\n"},
            {"m.ts": "export {};\ninterface A {\n  b: 1;\n}\n"},
        ),
    ],
    ids=["a closure of Rust", "a closure of Go", "a parameter of Go", "build tags", "interfaces that add up"],
)
def test_what_has_the_name_and_is_something_else(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    assert findings(Case("look-alike", base, ours, theirs)) == []


def test_an_accessor_with_the_name_of_its_private_field_is_no_hidden_member() -> None:
    order = (
        "package shop;\n\npublic class Order {\n    private final String status;\n%s\n"
        "    public Order(String status) {\n        this.status = status;\n    }\n\n"
        "    public String status() {\n        return status;\n    }\n}\n"
    )
    label = b"package shop;\n\nclass Label {\n    String of(Order order) {\n        return order.status();\n    }\n}\n"
    before, after = (order % each for each in ("", "    private int count;\n"))
    base, ours = {"shop/Order.java": before.encode()}, {"shop/Order.java": after.encode()}
    assert checked(base, ours, {"shop/Label.java": label}, {**ours, "shop/Label.java": label}) == []
