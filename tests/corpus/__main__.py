"""Confirm the corpus: `python -m tests.corpus [LANGUAGE …] [--case NAME]`; what is not as it says is printed."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.corpus import Case, cases, merged_tree, repository

_SECONDS = 120
_PROGRAMS = {"typescript": "tsc", "javascript": "node", "go": "go", "rust": "cargo", "java": "javac", "c": "g++"}


def problems(case: Case, folder: Path) -> list[str]:
    """What a case claims and is not so."""
    place = repository(case, folder / "repository")
    merged = merged_tree(place)
    if merged is None:
        return ["git does not merge it"]
    found = []
    for tree in ("base", "ours", "theirs", merged):
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        archive = subprocess.run(["git", "archive", tree], cwd=place, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], cwd=copy, input=archive, check=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", case.confirm],
            cwd=copy, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        is_merge = tree == merged
        if (done.returncode == 0) == (is_merge and case.broken):
            name = "the merge" if is_merge else tree
            found.append(f"{name} ends with {done.returncode}: {(done.stdout + done.stderr).strip()[-400:]}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--case")
    asked = parser.parse_args()
    wrong = number = 0
    missing = {language for language, program in _PROGRAMS.items() if shutil.which(program) is None}
    for case in cases(*asked.languages):
        if asked.case not in (None, case.name) or case.language in missing:
            continue
        number += 1
        with tempfile.TemporaryDirectory() as scratch:
            found = problems(case, Path(scratch, "case"))
        wrong += bool(found)
        for each in found:
            print(f"{case}: {each}")
    left_out = f"; left out: {', '.join(sorted(missing))}, whose programs are not here" if missing else ""
    print(f"{number} cases, {wrong} not as they say{left_out}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
