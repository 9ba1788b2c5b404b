"""`python -m tests.mutants.pure`: mutmut over the scheduling and limiting arithmetic; 1 where over 10 % survive."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutants import copy_checkout

_MODULES = (
    "account_limiter",
    "globs",
    "plan/graph",
    "schedule/batches",
    "schedule/leases",
    "schedule/scheduler",
)
_TESTS = ("analysis", "batch_rules", "globs", "graph", "leases", "plan", "account_limiter", "schedule")
_BESIDE = ("activities", "workflows", "examples", "docs", "starter.py", "worker.py")
_KILLED = ("killed", "timeout", "suspicious", "segfault")
_SHARE = 0.9


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="epw-mutants-") as scratch:
        copy = copy_checkout(Path(scratch, "copy"))
        with (copy / "pyproject.toml").open("a") as settings:
            settings.write(
                f"""
[tool.mutmut]
source_paths = ["epw"]
only_mutate = {json.dumps([f"epw/core/{each}.py" for each in _MODULES])}
pytest_add_cli_args_test_selection = {json.dumps([f"tests/core/test_{each}.py" for each in _TESTS])}
also_copy = {json.dumps(_BESIDE)}
"""
            )
        mutmut = [str(Path(sys.executable).with_name("mutmut"))]
        # The copy's modules, not those of the checkout that is installed.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([*mutmut, "run"], cwd=copy, env=environment, stdout=subprocess.DEVNULL, check=True)
        listed = [*mutmut, "results", "--all", "true"]
        said = subprocess.run(listed, cwd=copy, env=environment, capture_output=True, text=True, check=True).stdout
        verdicts = dict(re.findall(r"^ *(\S+): (.+)$", said, re.MULTILINE))
        survivors = [name for name, verdict in verdicts.items() if verdict not in _KILLED]
        for module in _MODULES:
            prefix = f"epw.core.{module.replace('/', '.')}."
            mine = Counter(verdict for name, verdict in verdicts.items() if name.startswith(prefix))
            print(f"{module}: {', '.join(f'{count} {verdict}' for verdict, count in sorted(mine.items()))}")
        for name in survivors:
            shown = subprocess.run(
                [*mutmut, "show", name], cwd=copy, capture_output=True, text=True, check=False
            ).stdout
            changed = [line for line in shown.splitlines() if re.match(r"[-+] ", line)]
            print(f"survives: {name}", *changed, sep="\n  ")
    print(f"{len(verdicts)} mutants, {len(verdicts) - len(survivors)} killed")
    return 0 if verdicts and len(survivors) <= len(verdicts) * (1 - _SHARE) else 1


if __name__ == "__main__":
    sys.exit(main())
