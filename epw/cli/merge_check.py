"""`merge-check`: whether two commits merge and fit together, without an execution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from activities.checkers.judgement import Judgement
from activities.checkers.merge_check import MergeCheck
from activities.checkers.registry import chosen
from epw.cli.offline import run_offline
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json, printable
from epw.client.project import workspace_at
from epw.core.amounts import count
from epw.core.errors import GitError, InvalidRequest, Unavailable
from epw.settings import Settings


def merge_check(
    names: Annotated[
        list[str], typer.Argument(metavar="[REPO] OURS THEIRS", help="Two commits or branches, of this repository.")
    ],
    base: Annotated[str | None, typer.Option(help="Where both began; default: their merge base.")] = None,
    checks: Annotated[str, typer.Option(help="auto, off, or names of checkers, with commas between.")] = "auto",
    apply_rename: Annotated[
        bool, typer.Option("--apply-rename", help="Let uses follow what the other side has renamed, and judge that.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Judge the merge of two commits: does it fit together? Exit code 0: clean, 1: conflict."""

    async def command(settings: Settings) -> int:
        if len(names) not in (2, 3):
            raise InvalidRequest("merge-check takes two commits, and the repository before them if it is another")
        repository, ours, theirs = names if len(names) == 3 else (".", *names)
        checkers = chosen(checks)
        try:
            place = str(workspace_at(Path(repository)))
            check = MergeCheck(settings.state, place, checkers, apply_renames=apply_rename)
            judged = await check.judge(ours, theirs, base)
        except GitError as error:
            # Its own exit code is that of a conflict.
            raise Unavailable(str(error)) from None
        if as_json:
            print_json(judged.document())
        else:
            _show(judged)
        return 0 if judged.is_clean else 1

    run_offline(command, as_json=as_json)


def _show(judged: Judgement) -> None:
    for each in judged.conflicts:
        also = f" (also said by {', '.join(each['alsoSaidBy'])})" if "alsoSaidBy" in each else ""
        print(f"{each['kind']}: {printable(each['description'])}{also}")
    for rename in judged.renames:
        uses = ", ".join(f"{use.file}:{line}" for use in rename.uses for line in use.lines)
        how = "renamed" if judged.are_applied else "possible by --apply-rename"
        print(f"{how}: {printable(f'{rename.symbol} → {rename.new_name} in {uses}')}")
    for path in judged.resolved:
        print(f"merged by structure: {printable(path)}")
    for checked in judged.checks:
        counted = f"{len(checked.findings)} new" if checked.findings or not checked.problem else ""
        said = ", ".join(filter(None, (counted, checked.problem)))
        print(f"{checked.checker}: {printable(said)} ({checked.milliseconds} ms, {count(checked.runs, 'tree')} read)")
    for command in judged.finish_with if judged.are_applied or judged.resolved else ():
        print(f"next: {printable(command)}")
    print(f"{'clean' if judged.is_clean else 'conflict'} · tree {judged.tree or 'none'}")
