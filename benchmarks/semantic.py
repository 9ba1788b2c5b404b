"""Recall and false blocks of the merge checks over the corpus: by symbols alone, and with checkers.

`python -m benchmarks.semantic [LANGUAGE …] [--no-checkers] [--verbose]`
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from activities.checkers.judgement import Judgement
from activities.checkers.merge_check import MergeCheck
from activities.checkers.registry import CHECKERS
from activities.state.state_directory import StateDirectory
from epw.cli.layout import table
from tests.corpus import Case, cases, repository


async def _judged(case: Case, folder: Path, state: StateDirectory, *, alone: bool) -> Judgement:
    place = repository(case, folder)
    return await MergeCheck(state, str(place), {} if alone else CHECKERS).judge("ours", "theirs")


async def main() -> None:
    """Judge every case, and print a row for each language."""
    parser = argparse.ArgumentParser()
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--no-checkers", action="store_true", help="by symbols and names alone")
    parser.add_argument("--verbose", action="store_true", help="print each case that is judged wrongly")
    asked = parser.parse_args()
    rows: dict[str, list[tuple[Case, Judgement]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        state = StateDirectory(Path(scratch, "state"))
        for number, case in enumerate(cases(*asked.languages)):
            judged = await _judged(case, Path(scratch, str(number)), state, alone=asked.no_checkers)
            rows[case.language].append((case, judged))
            if asked.verbose and judged.is_clean == case.broken:
                told = "; ".join(each["description"] for each in judged.conflicts)
                problems = "; ".join(f"{each.checker}: {each.problem}" for each in judged.checks if each.problem)
                print(f"{'missed' if case.broken else 'false'} {case} ({case.why}) {told} {problems}", flush=True)
    cells = []
    for language, found in rows.items():
        broken = [judged for case, judged in found if case.broken]
        right = [judged for case, judged in found if not case.broken]
        by_symbols = [each for each in broken if each.suspected]
        false_symbols = [each for each in right if each.suspected]
        times = [each.milliseconds for _, each in found]
        cells.append(
            [
                language,
                f"{len(by_symbols)} of {len(broken)}",
                f"{sum(not each.is_clean for each in broken)} of {len(broken)}",
                f"{len(false_symbols)} of {len(right)}",
                f"{sum(not each.is_clean for each in right)} of {len(right)}",
                round(median(each["merge"] + each.get("symbols", 0) for each in times)),
                round(median(each.get("checks", 0) for each in times)),
            ]
        )
    table(
        "merges that do not fit together, and right ones that were refused",
        ["language", "by symbols", "with checkers", "false by symbols", "false with checkers", "ms", "ms checkers"],
        cells,
    )


if __name__ == "__main__":
    asyncio.run(main())
