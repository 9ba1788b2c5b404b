"""Names that are data: of the corpus, what symbols and names alone find, and that they refuse nothing right."""

from __future__ import annotations

import pytest

from activities.conflicts.names.check import Side, check_names
from activities.conflicts.names.tree_texts import Check
from activities.conflicts.semantic.sides import Finding, SideName
from tests.activities.conflicts.test_semantic import merge
from tests.corpus import Case, Files, cases

# Left to checkers, or to `verify`.
MISSED = frozenset(
    {
        "config/same-port-of-two-services",
        "migrations/prisma-same-column",
        "proto/moved-message-new-import",
        "shell/required-argument-new-call",
    }
)


def side(case: Case, changed: Files, name: SideName) -> Side:
    before = {path: case.base.get(path) or "" for path in changed}
    return Side(before, {path: changed[path] or "" for path in changed}, name)


def found(case: Case, check: Check = check_names) -> list[str]:
    return [each.message for each in findings(case, check)]


def findings(case: Case, check: Check) -> list[Finding]:
    def version(files: Files, path: str) -> bytes | None:
        text = files[path] if path in files else case.base.get(path)
        return text.encode() if text is not None else None

    merged = {
        path: merge(version(case.ours, path), version({}, path), version(case.theirs, path)) or b""
        if path in case.ours and path in case.theirs
        else version(case.ours if path in case.ours else case.theirs, path) or b""
        for path in {**case.ours, **case.theirs}
    }
    rest = [(path, text) for path, text in case.base.items() if path not in merged and text]
    texts = {path: content.decode() for path, content in merged.items()}
    return check(side(case, case.ours, "ours"), side(case, case.theirs, "theirs"), texts, lambda words: rest)


@pytest.mark.parametrize("case", list(cases("config", "migrations", "proto", "shell")), ids=str)
def test_what_does_not_fit_is_found_and_nothing_else(case: Case) -> None:
    messages = found(case)
    assert bool(messages) == (case.broken and str(case) not in MISSED), messages


@pytest.mark.parametrize("case", [case for case in cases() if not case.broken], ids=str)
def test_no_right_merge_is_refused(case: Case) -> None:
    assert found(case) == []


def test_what_is_still_defined_elsewhere_is_not_gone() -> None:
    base: Files = {".env": "TOKEN_URL=a\n", "deploy/.env": "TOKEN_URL=b\n", "app.py": "import os\n"}
    theirs: Files = {"job.py": "import os\nprint(os.environ['TOKEN_URL'])\n"}
    assert found(Case("config", "elsewhere", False, "", base, {".env": "OTHER=1\n"}, theirs, "")) == []
    (message,) = found(Case("config", "gone", True, "", base, {".env": "", "deploy/.env": ""}, theirs, ""))
    assert "'TOKEN_URL' is used in job.py:2" in message


def test_a_dependency_that_is_declared_elsewhere_or_became_a_module_is_not_gone() -> None:
    base: Files = {"requirements.txt": "requests==2\nrich\n", "pyproject.toml": "[project]\n", "app.py": "x = 1\n"}
    uses: Files = {"job.py": "import requests\n"}

    assert len(found(Case("config", "gone", True, "", base, {"requirements.txt": "rich\n"}, uses, ""))) == 1
    moved: Files = {"requirements.txt": "rich\n", "pyproject.toml": '[project]\ndependencies = ["requests>=2"]\n'}
    assert found(Case("config", "moved", False, "", base, moved, uses, "")) == []
    vendored: Files = {"requirements.txt": "rich\n", "requests/__init__.py": "y = 1\n"}
    assert found(Case("config", "vendored", False, "", base, vendored, uses, "")) == []


_ROUTE = "def test():\n    app = Flask()\n\n    @app.route('/')\n    def index():\n        pass\n\n\n"
LOOK_ALIKES: dict[str, tuple[Files, Files, Files]] = {
    "route of an app that each test makes": (
        {"test_a.py": _ROUTE + _ROUTE + "# end\n"},
        {"test_a.py": _ROUTE + _ROUTE + _ROUTE + "# end\n"},
        {"test_a.py": _ROUTE + _ROUTE + "# end\n" + _ROUTE},
    ),
    "way up and way down": (
        {"a.py": "x = 1\n"},
        {"m/migrations/002_b.up.sql": "x\n"},
        {"m/migrations/002_b.down.sql": "y\n"},
    ),
    "event of a platform": (
        {"a.js": "bus.emit('close');\n"},
        {"a.js": "bus.emit('shut');\n"},
        {"b.js": "net.connect(1).on('close', f);\n"},
    ),
    "variable that is asked for": (
        {".env": "TOKEN=1\n"},
        {".env": "OTHER=1\n"},
        {"b.py": "import os\nif 'TOKEN' in os.environ:\n    print(os.environ['TOKEN'])\n"},
    ),
    "variable that may be missing": (
        {".env": "TOKEN=1\n"},
        {".env": "OTHER=1\n"},
        {"b.py": "import os\nx = os.getenv('TOKEN')\n"},
    ),
    "program of the name of a function": (
        {"lib.sh": "sort() { command sort -u; }\n"},
        {"lib.sh": "uniq_lines() { command sort -u; }\n"},
        {"job.sh": "cat x | sort\n"},
    ),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_is_something_else_is_no_conflict(name: str) -> None:
    base, ours, theirs = LOOK_ALIKES[name]
    assert found(Case("config", name, False, "", base, ours, theirs, "")) == []


@pytest.mark.parametrize("name", ["locales/en.yaml", "compose.yaml", "package.json"])
def test_a_document_without_end_ends_no_landing(name: str) -> None:
    levels = "".join(f"l{n + 1}: &l{n + 1} {{{', '.join(f'k{k}: *l{n}' for k in range(9))}}}\n" for n in range(9))
    endless = "[" * 100_000 if name.endswith(".json") else f"self: &self {{again: *self}}\nl0: &l0 {{a: b}}\n{levels}"
    base: Files = {name: "{}\n", "a.js": "f();\n"}
    assert (
        found(Case("config", "endless", False, "", base, {name: endless}, {"b.js": "import x from 'left'\n"}, "")) == []
    )
