"""What doctor says of checkers is what a run has of them."""

from __future__ import annotations

from pathlib import Path

from activities.checkers.doctor import checker_traits
from activities.git.workspace import Workspace
from tests.support import make_repository


def test_a_program_of_the_work_tree_is_said_to_need_a_plan_that_brings_it(tmp_path: Path) -> None:
    path = make_repository(
        tmp_path / "repo", {".gitignore": "node_modules/\n", "tsconfig.json": "{}\n", "a.ts": "let a = 1\n"}
    )
    program = path / "node_modules/.bin/tsc"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (trait,) = [each for each in checker_traits(Workspace.read(str(path))) if each.name == "checker tsc"]
    assert trait.found.startswith(str(program))
    assert "where a plan brings it (`include: [node_modules]`, `setup`); else " in trait.means
