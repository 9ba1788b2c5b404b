"""Checkers whose programs are on this machine read whole merges: projects that refer to each other, what they bring."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from activities.checkers.judgement import Judgement
from activities.checkers.merge_check import MergeCheck
from activities.checkers.registry import CHECKERS
from activities.state.state_directory import StateDirectory
from tests.corpus import Case, Files, repository

needs_tsc, needs_gcc, needs_javac, needs_ruby, needs_php, needs_shellcheck, needs_protoc = (
    pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
    for name in ("tsc", "gcc", "javac", "ruby", "php", "shellcheck", "protoc")
)

LIB = "export interface Order { total: number }\n"
COMPOSITE = """{
  "compilerOptions": {
    "composite": true, "strict": true, "outDir": "dist", "rootDir": "src",
    "module": "esnext", "moduleResolution": "bundler",
  },
  "include": ["src"], // a comment
  "references": [%s]
}
"""
TWO_PACKAGES = """{"files": [], "references": [{"path": "packages/lib"}, {"path": "packages/app"}]}"""
PACKAGES: Files = {
    "tsconfig.json": TWO_PACKAGES,
    "packages/lib/tsconfig.json": COMPOSITE % "",
    "packages/lib/package.json": '{"name": "@shop/lib", "types": "dist/index.d.ts"}',
    "packages/app/tsconfig.json": COMPOSITE % '{"path": "../lib"}',
}
ONE_PACKAGE: Files = {
    "tsconfig.json": '{"files": [], "references": [{"path": "./tsconfig.app.json"}]}',
    "tsconfig.app.json": '{"compilerOptions": {"strict": true, "noEmit": true}, "include": ["src"]}',
}
POM = """<project><dependencies><dependency>
<groupId>com.example</groupId><artifactId>gone</artifactId><version>1</version>
</dependency></dependencies></project>
"""


async def judged(tmp_path: Path, name: str, base: Files, ours: Files, theirs: Files) -> Judgement:
    place = repository(Case("any", "made", True, "", base, ours, theirs, ""), tmp_path / "work")
    return await check(tmp_path, place, name)


async def check(tmp_path: Path, place: Path, name: str) -> Judgement:
    state = StateDirectory(tmp_path / "state")
    return await MergeCheck(state, str(place), {name: CHECKERS[name]}).judge("ours", "theirs")


def said(judgement: Judgement) -> list[tuple[str, str]]:
    return [(each["checker"], each["paths"][0]) for each in judgement.conflicts if each.get("checker")]


@needs_tsc
@pytest.mark.parametrize(
    ("configs", "lib", "app", "module"),
    [
        (ONE_PACKAGE, "src/lib.ts", "src", "./lib"),
        (PACKAGES, "packages/lib/src/index.ts", "packages/app/src", "../../lib/src/index"),
        (PACKAGES, "packages/lib/src/index.ts", "packages/app/src", "@shop/lib"),
    ],
    ids=["solution of one package", "packages by paths", "packages by names"],
)
async def test_projects_that_refer_to_each_other_are_read_unbuilt(
    tmp_path: Path, configs: Files, lib: str, app: str, module: str
) -> None:
    use = f"import type {{ Order }} from '{module}'\nexport const show = (o: Order) => o.total\n"
    ours: Files = {lib: LIB.replace("total", "amount"), f"{app}/a.ts": use.replace("o.total", "o.amount")}
    found = await judged(tmp_path, "tsc", {**configs, lib: LIB, f"{app}/a.ts": use}, ours, {f"{app}/b.ts": use})
    assert said(found) == [("tsc", f"{app}/b.ts")]
    assert found.checks[0].problem is None


ORDER = "package lib;\npublic class Order { public int total() { return 1; } }\n"
READER = "package app;\nimport lib.Order;\nclass A { int f(Order o) { return o.total(); } }\n"


def java(extra: str = "") -> tuple[Files, Files, Files]:
    """Two modules; one renames a method, the other calls it anew. `extra`: an import of each reader."""
    reader = READER.replace("import", f"{extra}import", 1)
    lib, app = "lib/src/main/java/lib/Order.java", "app/src/main/java/app"
    base: Files = {"lib/pom.xml": "<project/>", "app/pom.xml": POM, lib: ORDER, f"{app}/A.java": reader}
    ours: Files = {lib: ORDER.replace("total", "amount"), f"{app}/A.java": reader.replace("total", "amount")}
    return base, ours, {f"{app}/B.java": reader.replace("class A", "class B")}


@needs_javac
async def test_a_module_is_read_with_the_sources_of_the_others(tmp_path: Path) -> None:
    found = await judged(tmp_path, "javac", *java())
    assert said(found) == [("javac", "app/src/main/java/app/B.java")]
    assert found.checks[0].problem is None


@needs_javac
async def test_without_a_library_javac_says_so_and_does_not_decide(tmp_path: Path) -> None:
    found = await judged(tmp_path, "javac", *java("import com.example.gone.Gone;\n"))
    assert found.checks[0].problem == "reads only a part: package com.example.gone does not exist"
    assert not found.is_clean


@needs_gcc
async def test_c_is_read_with_the_options_of_its_build(tmp_path: Path) -> None:
    build = [
        {
            "directory": "/home/me/shop/build",
            "file": f"../src/{name}.c",
            "command": f"cc -DSTEP={step} -I../api -c {name}.c",
        }
        for name, step in (("a", 1), ("b", 2))
    ]
    base: Files = {
        "build/compile_commands.json": json.dumps(build),
        "api/shop.h": "#ifdef STEP\nint total(int a);\n#endif\n",
        "src/a.c": '#include "shop.h"\nint f(void) { return total(STEP); }\n',
        "src/b.c": '#include "shop.h"\nint g(void) { return STEP; }\n',
    }
    ours = {
        path: (text or "").replace("total", "amount")
        for path, text in base.items()
        if path in ("api/shop.h", "src/a.c")
    }
    theirs: Files = {"src/b.c": '#include "shop.h"\nint g(void) { return total(STEP); }\n'}
    found = await judged(tmp_path, "gcc", base, {**ours}, theirs)
    assert said(found) == [("gcc", "src/b.c")]


@needs_ruby
async def test_a_branch_that_both_add_is_found_in_ruby(tmp_path: Path) -> None:
    base = "def f(x)\n  case x\n  when 1 then 2\n  when 5 then 6\n  end\nend\n"
    ours = base.replace("  when 1", "  when 3 then 4\n  when 1")
    theirs = base.replace("  end\nend", "  when 3 then 5\n  end\nend")
    found = await judged(tmp_path, "ruby", {"a.rb": base}, {"a.rb": ours}, {"a.rb": theirs})
    assert said(found) == [("ruby", "a.rb")]


@needs_php
async def test_a_method_that_both_add_is_found_in_php(tmp_path: Path) -> None:
    base = "<?php\nclass A {\n    function a() {}\n\n    function z() {}\n}\n"
    ours = base.replace("    function a", "    function m() {}\n    function a")
    theirs = base.replace("z() {}\n", "z() {}\n    function m() {}\n")
    found = await judged(tmp_path, "php", {"a.php": base}, {"a.php": ours}, {"a.php": theirs})
    assert said(found) == [("php", "a.php")]


@needs_shellcheck
async def test_shell_that_no_longer_parses_is_found(tmp_path: Path) -> None:
    base = "if true; then\n  echo a\n  echo b\n  echo c\n  echo d\nfi\n"
    ours = base.replace("if true; then\n", "").replace("fi\n", "")
    theirs = base.replace("  echo b\n", "  echo b\nelse\n")
    found = await judged(tmp_path, "shellcheck", {"a.sh": base}, {"a.sh": ours}, {"a.sh": theirs})
    assert ("shellcheck", "a.sh") in said(found)


@needs_protoc
async def test_a_message_that_has_moved_is_missed_where_it_was(tmp_path: Path) -> None:
    head = 'syntax = "proto3";\npackage shop;\n'
    base: Files = {
        "api/shop/a.proto": head + "message A { string a = 1; }\nmessage M { string m = 1; }\n",
        "api/shop/b.proto": head + 'import "shop/a.proto";\nmessage B { M m = 1; }\n',
    }
    moved: Files = {
        "api/shop/a.proto": head + "message A { string a = 1; }\n",
        "api/shop/m.proto": head + "message M { string m = 1; }\n",
    }
    ours: Files = {**moved, "api/shop/b.proto": head + 'import "shop/m.proto";\nmessage B { M m = 1; }\n'}
    theirs: Files = {"api/shop/c.proto": head + 'import "shop/a.proto";\nmessage C { M m = 1; A a = 2; }\n'}
    found = await judged(tmp_path, "protoc", base, ours, theirs)
    assert said(found) == [("protoc", "api/shop/c.proto")]


async def test_a_type_checker_that_the_project_configures_and_brings_is_asked(tmp_path: Path) -> None:
    base: Files = {
        "lib.py": "A = 1\n",
        "app.py": "import lib\n",
        "pyproject.toml": "[tool.mypy]\n",
        ".gitignore": ".venv\n",
    }
    ours: Files = {"lib.py": "B = 1\n"}
    theirs: Files = {"app.py": "import lib\n\nprint(lib.A)\n"}
    place = repository(Case("python", "made", True, "", base, ours, theirs, ""), tmp_path / "work")
    assert (await check(tmp_path, place, "mypy")).checks == []
    program = place / ".venv/bin/mypy"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\ngrep -q A lib.py || ! grep -q lib.A app.py || "
        "echo 'app.py:3: error: Module has no attribute \"A\"  [attr-defined]'\n"
    )
    program.chmod(0o755)
    assert said(await check(tmp_path, place, "mypy")) == [("mypy", "app.py")]


async def test_one_that_is_not_configured_is_not_asked(tmp_path: Path) -> None:
    base: Files = {"lib.py": "A = 1\n", "app.py": "B = 1\n", "pyproject.toml": "[tool.ruff]\n", ".gitignore": ".venv\n"}
    place = repository(
        Case("python", "made", True, "", base, {"lib.py": "A = 2\n"}, {"app.py": "B = 2\n"}, ""), tmp_path / "work"
    )
    program = place / ".venv/bin/mypy"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert (await check(tmp_path, place, "mypy")).checks == []


def test_a_program_of_a_relative_folder_of_the_path_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "ty"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert CHECKERS["ty"].program([], "bin") == str(program)
