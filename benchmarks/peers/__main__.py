"""Ours beside other engines: the same graphs, on as many agents, in one interleaved run.

`python -m benchmarks.peers [--quick] [--rounds N] [--only NAME …] [--peer-python [NAME=]PATH …] [--json FILE]`.
Each round runs each contestant's script once, in a process of its own, through all graphs; the order turns by one a
round. Efficiency is the list schedule of the planned seconds divided by the seconds from asking for a graph to having
its result; no-ops have milliseconds a task. Start and imports are in neither. A peer runs in this environment or in
that of `--peer-python`; one that is not installed there is skipped and named.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers.cells import AGENTS, Cell, cells, markdown, scores
from benchmarks.peers.contestants import CONTESTANTS, Contestant
from benchmarks.peers.protocol import ANSWER
from benchmarks.server import revision

ROOT = Path(__file__).parents[2]
_SECONDS = 600
"""What a contestant may take for all graphs."""
_KEPT = 400
"""Characters of what a failed script has said."""


@dataclass(frozen=True)
class Heard:
    versions: dict[str, str]
    seconds: list[float]


class Unmeasured(Exception):
    """A contestant that has not answered every graph, and why."""


def pythons(given: Sequence[str]) -> dict[str, str]:
    """By contestant, the interpreter that runs it: `NAME=PATH` of one, `PATH` of all that are no part of ours."""
    found = {each.name: sys.executable for each in CONTESTANTS}
    for one in sorted(given, key=lambda one: "=" in one):
        name, _, path = one.rpartition("=")
        if name and name not in found:
            raise ValueError(f"--peer-python: there is no contestant {name!r}; there are {', '.join(found)}")
        if not os.access(path, os.X_OK):
            raise ValueError(f"--peer-python: {path!r} is no program")
        # A link into a virtual environment stays one: what it points at has other packages.
        found |= dict.fromkeys(
            [name] if name else [each.name for each in CONTESTANTS if each.needs], os.path.abspath(path)
        )
    return found


def missing(contestant: Contestant, python: str) -> str | None:
    """The first module that an environment lacks."""
    for module in contestant.needs:
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            return module
    return None


async def ask(contestant: Contestant, python: str, of: Sequence[Cell]) -> Heard:
    """Versions and seconds that a script answers; raises `Unmeasured`. Nothing of it runs on."""
    with tempfile.TemporaryDirectory(prefix="epw-peers-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *(python, "-m", f"benchmarks.peers.{contestant.script}"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            graphs = "".join(f"{cell.graph.to_line()}\n" for cell in of)
            out, err = await asyncio.wait_for(process.communicate(graphs.encode()), _SECONDS)
        except TimeoutError:
            raise Unmeasured(f"not done within {_SECONDS} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    answers = heard(out.decode())
    if len(answers) != len(of) + 1:
        raise Unmeasured(f"exit status {process.returncode}: {err.decode(errors='replace').strip()[-_KEPT:]}")
    return Heard(answers[0], answers[1:])


def heard(output: str) -> list[Any]:
    """The answers among what an engine prints."""
    return [json.loads(line.removeprefix(ANSWER)) for line in output.splitlines() if line.startswith(ANSWER)]


async def measure(who: Sequence[Contestant], python: Mapping[str, str], rounds: int) -> dict[str, Any]:
    of = cells()
    seconds: dict[str, list[list[float]]] = {each.name: [] for each in who}
    versions: dict[str, dict[str, str]] = {}
    load: dict[str, list[float]] = {each.name: [] for each in who}
    skipped: dict[str, str] = {}
    for each in who:
        if (module := missing(each, python[each.name])) is not None:
            skipped[each.name] = f"{python[each.name]} has no module {module}"
    for number in range(rounds):
        turn = number % len(who)
        for each in (*who[turn:], *who[:turn]):
            if each.name in skipped:
                continue
            load[each.name].append(round(os.getloadavg()[0], 1))
            try:
                answer = await ask(each, python[each.name], of)
            except Unmeasured as problem:
                skipped[each.name] = str(problem)
                continue
            versions[each.name] = answer.versions
            seconds[each.name].append(answer.seconds)
            print(f"round {number + 1}: {each.name}: {sum(answer.seconds):.1f} s", file=sys.stderr)
    return {
        "revision": revision(),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "cpus": os.cpu_count(),
        "agents": AGENTS,
        "rounds": rounds,
        "versions": versions,
        "load": load,
        "skipped": skipped,
        "survives": {each.name: each.survives for each in who},
        "ideal": {cell.name: round(cell.ideal, 3) for cell in of},
        "seconds": seconds,
        "scores": scores(seconds, of),
    }


def show(result: Mapping[str, Any]) -> None:
    title = f"{result['revision']} · {result['cpus']} CPUs · {result['agents']} agents · median of {result['rounds']}"
    table = Table("", *result["ideal"], "survives a kill -9", "versions", "load", title=title)
    for name, row in result["scores"].items():
        packages = ", ".join(f"{package} {version}" for package, version in result["versions"][name].items())
        loads = ", ".join(map(str, result["load"][name]))
        table.add_row(name, *map(str, row.values()), result["survives"][name], packages, loads)
    Console(width=220).print(table)
    for name, why in result["skipped"].items():
        print(f"{name}: not measured: {why}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="medians of so many (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", action="append", choices=[each.name for each in CONTESTANTS], metavar="NAME")
    parser.add_argument("--peer-python", action="append", default=[], metavar="[NAME=]PATH", help="who runs a peer")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown too")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/out/peers.json"), metavar="FILE")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    try:
        python = pythons(arguments.peer_python)
    except ValueError as problem:
        parser.error(str(problem))
    who = [each for each in CONTESTANTS if not arguments.only or each.name in arguments.only]
    result = await measure(who, python, 1 if arguments.quick else arguments.rounds)
    show(result)
    if arguments.markdown:
        print(markdown(result))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {arguments.json}")


if __name__ == "__main__":
    asyncio.run(main())
