"""Changes that merge line by line, in five languages: those that do not fit together, and those that only look so.

A row of `CONFLICTS` or `LOOK_ALIKES` makes a case in every language; a language is one `Language`. `call:total:1` is a
function that calls `total` with one argument, and so on: see `Language.text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Files = dict[str, str | None]


@dataclass(frozen=True)
class Language:
    name: str
    lib: str
    app: str
    heads: dict[str, str]
    """First lines of a file: `lib`; `app` with what it imports."""
    function: str
    method: str
    """A class (or its like) with one method."""
    caller: str
    use: str
    """Text of a method call."""
    params: dict[str, str]
    args: dict[str, str]
    filler: str

    def text(self, piece: str) -> str:
        """A piece of a row: `kind:name:how`."""
        kind, name, *how = piece.split(":")
        if kind == "def":
            return self.function.format(name=name, params=self.params[how[0]])
        if kind == "method":
            return self.method.format(cls=name, name=how[0], params=self.params[how[1]])
        if kind == "call":
            call = f"{name}({self.args[how[0]]})"
            return self.caller.format(name=f"calls_{name}", call=call)
        if kind == "use":
            return self.caller.format(name=f"uses_{name}", call=self.use.format(name=name))
        return self.filler.format(name=name)

    def file(self, place: str, row: str) -> str:
        """A file from its pieces; `import` among them names what the file imports."""
        pieces = row.split()
        imported = [piece[7:] for piece in pieces if piece.startswith("import:")]
        head = self.heads[place].format(names=", ".join(imported) or "other")
        return head + "\n".join(self.text(piece) for piece in pieces if not piece.startswith("import:"))


_COMMON = {"args": {"0": "", "1": "1", "2": "1, 2"}}
LANGUAGES = (
    Language(
        "python", "lib.py", "app.py",
        {"lib": "", "app": "from lib import {names}\n\n"},
        "def {name}({params}):\n    return 1\n",
        "class {cls}:\n    def {name}(self, {params}):\n        return 1\n",
        "def {name}():\n    return {call}\n",
        "thing.{name}(1)",
        {"0": "", "1": "a", "2": "a, b", "optional": "a, b=1"},
        filler="def keep_{name}():\n    return 0\n", **_COMMON,
    ),
    Language(
        "typescript", "lib.ts", "app.ts",
        {"lib": "", "app": "import {{ {names} }} from './lib';\n\n"},
        "export function {name}({params}): number {{\n  return 1;\n}}\n",
        "export class {cls} {{\n  {name}({params}): number {{\n    return 1;\n  }}\n}}\n",
        "export function {name}(): number {{\n  return {call};\n}}\n",
        "thing.{name}(1)",
        {"0": "", "1": "a: number", "2": "a: number, b: number", "optional": "a: number, b?: number"},
        filler="export function keep_{name}(): number {{\n  return 0;\n}}\n", **_COMMON,
    ),
    Language(
        "go", "shop/lib.go", "shop/app.go",
        {"lib": "package shop\n\n", "app": "package shop\n\n"},
        "func {name}({params}) int {{\n\treturn 1\n}}\n",
        "type {cls} struct{{}}\n\nfunc (t *{cls}) {name}({params}) int {{\n\treturn 1\n}}\n",
        "func {name}() int {{\n\treturn {call}\n}}\n",
        "thing.{name}(1)",
        {"0": "", "1": "a int", "2": "a int, b int", "optional": "a int, b ...int"},
        filler="func keep_{name}() int {{\n\treturn 0\n}}\n", **_COMMON,
    ),
    Language(
        "java", "shop/Lib.java", "shop/App.java",
        {"lib": "package shop;\n\n", "app": "package shop;\n\n"},
        "class Of_{name} {{\n  static int {name}({params}) {{\n    return 1;\n  }}\n}}\n",
        "class {cls} {{\n  int {name}({params}) {{\n    return 1;\n  }}\n}}\n",
        "class Has_{name} {{\n  int run() {{\n    return lib.{call};\n  }}\n}}\n",
        "{name}(1)",
        {"0": "", "1": "int a", "2": "int a, int b", "optional": "int a, int... b"},
        filler="class Keep_{name} {{\n  int k() {{\n    return 0;\n  }}\n}}\n", **_COMMON,
    ),
    Language(
        "rust", "src/lib.rs", "src/app.rs",
        {"lib": "", "app": "use crate::{{{names}}};\n\n"},
        "pub fn {name}({params}) -> i32 {{\n    1\n}}\n",
        "pub struct {cls};\n\nimpl {cls} {{\n    pub fn {name}(&self, {params}) -> i32 {{\n        1\n    }}\n}}\n",
        "pub fn {name}() -> i32 {{\n    {call}\n}}\n",
        "thing.{name}(1)",
        # There are no optional parameters: one that is only called otherwise.
        {"0": "", "1": "a: i32", "2": "a: i32, b: i32", "optional": "amount: i32"},
        filler="pub fn keep_{name}() -> i32 {{\n    0\n}}\n", **_COMMON,
    ),
)  # fmt: skip

# (name, base, ours, theirs): the files of each, by place. What is not named is as in the base.
Row = tuple[str, dict[str, str], dict[str, str], dict[str, str]]
_BASE = {"lib": "keep:x def:total:1 keep:y", "app": "import:other keep:a"}
CONFLICTS: tuple[Row, ...] = (
    ("function removed, called elsewhere", _BASE, {"lib": "keep:x keep:y"},
     {"app": "import:other import:total keep:a call:total:1"}),
    ("function renamed, called elsewhere", _BASE, {"lib": "keep:x def:grand_total:1 keep:y"},
     {"app": "import:other import:total keep:a call:total:1"}),
    ("function renamed, called in its file", _BASE, {"lib": "keep:x def:grand_total:1 keep:y"},
     {"lib": "keep:x def:total:1 keep:y call:total:1"}),
    ("parameter added, called elsewhere", _BASE, {"lib": "keep:x def:total:2 keep:y"},
     {"app": "import:other import:total keep:a call:total:1"}),
    ("parameter removed, given elsewhere", {**_BASE, "lib": "keep:x def:total:2 keep:y"},
     {"lib": "keep:x def:total:1 keep:y"}, {"app": "import:other import:total keep:a call:total:2"}),
    ("parameter added, called in its file", _BASE, {"lib": "keep:x def:total:2 keep:y"},
     {"lib": "keep:x def:total:1 keep:y call:total:1"}),
    ("method removed, called elsewhere", {**_BASE, "lib": "keep:x method:Cart:weigh:1 keep:y"},
     {"lib": "keep:x method:Cart:measure:1 keep:y"}, {"app": "import:other import:Cart keep:a use:weigh"}),
    ("defined twice", _BASE, {"lib": "def:tax:1 keep:x def:total:1 keep:y"},
     {"lib": "keep:x def:total:1 keep:y def:tax:1"}),
)  # fmt: skip
LOOK_ALIKES: tuple[Row, ...] = (
    ("a parameter that may be left out", _BASE, {"lib": "keep:x def:total:optional keep:y"},
     {"app": "import:other import:total keep:a call:total:1"}),
    ("removed here, defined there", _BASE, {"lib": "keep:x keep:y"},
     {"app": "import:other keep:a def:total:1 call:total:1"}),
    ("methods of one name in two classes", _BASE, {"lib": "method:Cart:weigh:1 keep:x def:total:1 keep:y"},
     {"lib": "keep:x def:total:1 keep:y method:Box:weigh:1"}),
    ("something else of this name, used before",
     {**_BASE, "lib": "keep:x method:Cart:get:1 keep:y", "other": "use:get"}, {"lib": "keep:x keep:y"},
     {"app": "import:other keep:a use:get"}),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    name: str
    base: dict[str, str]
    ours: dict[str, str]
    theirs: dict[str, str]


def cases(rows: tuple[Row, ...]) -> list[Case]:
    return list(_cases(rows))


def _cases(rows: tuple[Row, ...]) -> Iterator[Case]:
    for language in LANGUAGES:
        suffix = re.sub(r".*\.", "", language.lib)
        folder = language.lib.rpartition("/")[0]
        places = {"lib": language.lib, "app": language.app, "other": f"{folder}/Other.{suffix}".lstrip("/")}
        for name, *versions in rows:
            base, ours, theirs = (
                {places[place]: language.file("lib" if place == "other" else place, row) for place, row in each.items()}
                for each in versions
            )
            yield Case(f"{language.name}: {name}", base, {**base, **ours}, {**base, **theirs})


# Modules of Python: (name, what the first side makes of the project, what the second side adds; None: it deletes).
Moves = tuple[str, dict[str, str | None], dict[str, str]]
_BODY = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"
_PROJECT = {
    "pkg/__init__.py": "",
    "pkg/a.py": _BODY,
    "pkg/c.py": "def h():\n    return 3\n",
    "pkg/sub/__init__.py": "",
    "src/app/__init__.py": "",
    "src/app/io.py": _BODY,
    "tools/helper.py": _BODY,
    "other.py": "x = 1\n",
}
_AWAY: dict[str, str | None] = {"pkg/a.py": None, "pkg/b.py": _BODY}
MOVED: tuple[Moves, ...] = (
    ("from the module", _AWAY, {"new.py": "from pkg.a import f\n\nf()\n"}),
    ("the module", _AWAY, {"new.py": "import pkg.a\n\npkg.a.f()\n"}),
    ("the module by another name", _AWAY, {"new.py": "import pkg.a as it\n\nit.f()\n"}),
    ("from its package", _AWAY, {"new.py": "from pkg import a\n\na.f()\n"}),
    ("beside it", _AWAY, {"pkg/new.py": "from .a import f\n\nf()\n"}),
    ("beside it, from the package", _AWAY, {"pkg/new.py": "from . import a\n\na.f()\n"}),
    ("from beneath", _AWAY, {"pkg/sub/new.py": "from ..a import f\n\nf()\n"}),
    ("everything of it", _AWAY, {"new.py": "from pkg.a import *\n"}),
    ("within a function", _AWAY, {"new.py": "def run():\n    from pkg.a import f\n    return f()\n"}),
    (
        "where something else is caught",
        _AWAY,
        {"new.py": "try:\n    from pkg.a import f\nexcept ValueError:\n    f = 0\n"},
    ),
    ("in a program", _AWAY, {"new.py": 'if __name__ == "__main__":\n    from pkg.a import f\n    f()\n'}),
    ("in a file that was there", _AWAY, {"other.py": "import pkg.a\n\nx = pkg.a.f()\n"}),
    (
        "in sources of their own",
        {"src/app/io.py": None, "src/app/files.py": _BODY},
        {"src/use.py": "from app.io import f\n"},
    ),
    ("beside a program", {"tools/helper.py": None, "tools/lib.py": _BODY}, {"tools/new.py": "from helper import f\n"}),
    (
        "a whole package",
        {path: None for path in _PROJECT if path.startswith("pkg/")} | {"lib/kit/a.py": _BODY},
        {"new.py": "from pkg.a import f\n"},
    ),
    (
        "one function",
        {"pkg/a.py": "def g():\n    return 2\n", "pkg/b.py": "def f():\n    return 1\n"},
        {"new.py": "from pkg.a import f\n\nf()\n"},
    ),
    (
        "a package that does not pass it on",
        {"pkg/a.py": None, "pkg/a/__init__.py": "", "pkg/a/inner.py": _BODY},
        {"new.py": "from pkg.a import f\n"},
    ),
)
STILL_THERE: tuple[Moves, ...] = (
    ("a shim", {"pkg/a.py": "from pkg.b import f, g\n", "pkg/b.py": _BODY}, {"new.py": "from pkg.a import f\n"}),
    (
        "a shim of everything",
        {"pkg/a.py": "from .b import *\n", "pkg/b.py": _BODY},
        {"new.py": "from pkg.a import f\n"},
    ),
    (
        "a shim that stands for the other",
        {"pkg/a.py": "import sys\n\nimport pkg.b\n\nsys.modules[__name__] = pkg.b\n", "pkg/b.py": _BODY},
        {"new.py": "from pkg.a import f\n"},
    ),
    (
        "a shim that looks it up",
        {"pkg/a.py": "def __getattr__(name):\n    return 1\n", "pkg/b.py": _BODY},
        {"new.py": "from pkg.a import f\n"},
    ),
    (
        "a package that passes it on",
        {"pkg/a.py": None, "pkg/a/__init__.py": "from .inner import f\n", "pkg/a/inner.py": _BODY},
        {"new.py": "from pkg.a import f\n"},
    ),
    ("a package of the name", {"pkg/a.py": None, "pkg/a/inner.py": _BODY}, {"new.py": "import pkg.a\n"}),
    (
        "the package above passes it on",
        {**_AWAY, "pkg/__init__.py": "from . import b as a\n"},
        {"new.py": "from pkg import a\n"},
    ),
    (
        "another root",
        {"src/app/io.py": None, "lib/app/__init__.py": "", "lib/app/io.py": _BODY},
        {"src/use.py": "from app.io import f\n"},
    ),
    ("caught", _AWAY, {"new.py": "try:\n    from pkg.a import f\nexcept ImportError:\n    from pkg.b import f\n"}),
    (
        "caught with others",
        _AWAY,
        {"new.py": "try:\n    import pkg.a\nexcept (KeyError, ModuleNotFoundError) as e:\n    pass\n"},
    ),
    ("suppressed", _AWAY, {"new.py": "with suppress(ImportError):\n    import pkg.a\n"}),
    ("only for types", _AWAY, {"new.py": "if TYPE_CHECKING:\n    from pkg.a import f\n"}),
    (
        "what was to be had when the other failed",
        _AWAY,
        {"new.py": "try:\n    import fast\nexcept ImportError:\n    import pkg.a\n"},
    ),
    (
        "the standard library's",
        {"src/app/io.py": None, "src/app/files.py": _BODY},
        {"new.py": "import io\n\nio.open('x')\n"},
    ),
    (
        "somebody else's of the name",
        {"src/app/io.py": None, "src/app/files.py": _BODY},
        {"new.py": "from kit.io import f\n"},
    ),
    ("of another folder", {"tools/helper.py": None, "tools/lib.py": _BODY}, {"pkg/new.py": "from helper import f\n"}),
    ("another module", _AWAY, {"new.py": "from pkg.c import h\n"}),
    ("the new place", _AWAY, {"new.py": "from .b import f\n"}),
    ("of another package's", _AWAY, {"pkg/sub/new.py": "from .a import f\n", "pkg/sub/a.py": _BODY}),
    ("only a stub has gone", {"pkg/a.pyi": None}, {"new.py": "from pkg.a import f\n"}),
    (
        "a name that it had from elsewhere",
        {"pkg/c.py": "def i():\n    return 3\n"},
        {"new.py": "from pkg.c import j\n"},
    ),
)


def module_cases(rows: tuple[Moves, ...]) -> list[Case]:
    found = []
    for name, first, second in rows:
        base = {**_PROJECT, **{path: "" for path, text in first.items() if text is None and path not in _PROJECT}}
        ours = {path: text for path, text in {**base, **first}.items() if text is not None}
        found.append(Case(f"modules: {name}", base, ours, {**base, **second}))
        found.append(Case(f"modules: {name}, other order", base, {**base, **second}, ours))
    return found
