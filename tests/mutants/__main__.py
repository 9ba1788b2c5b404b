"""`python -m tests.mutants [WORD…]`: try each mutant (whose file or text holds a word); 1 where over 10 % survive."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants import MUTANTS, Mutant, copy_checkout

_AT_ONCE = 2
_SECONDS = 600
_SHARE = 0.9


def main(words: list[str]) -> int:
    chosen = [each for each in MUTANTS if not words or any(word in f"{each.file} {each.old}" for word in words)]
    with ThreadPoolExecutor(_AT_ONCE) as running:
        survivors = [each for each, killed in zip(chosen, running.map(_is_killed, chosen), strict=True) if not killed]
    print(f"{len(chosen)} mutants, {len(chosen) - len(survivors)} killed")
    for each in survivors:
        print(f"survives: {each.file}: {each.old.strip()} → {each.new.strip() or '(nothing)'} ({each.tests})")
    return 0 if len(survivors) <= len(chosen) * (1 - _SHARE) else 1


def _is_killed(mutant: Mutant) -> bool:
    """Whether the tests fail on a copy with the mutant, in which nothing else differs."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="epw-mutant-") as scratch:
        copy = copy_checkout(Path(scratch, "copy"))
        file = copy / mutant.file
        file.write_text(file.read_text().replace(mutant.old, mutant.new))
        tests, _, words = mutant.tests.partition(" -k ")
        argv = [sys.executable, "-m", "pytest", "-x", "-q", *(f"tests/{each}" for each in tests.split())]
        argv += ["-k", words] if words else []
        # The copy's modules, not those of the checkout that is installed.
        env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(argv, cwd=copy, env=env, capture_output=True, timeout=_SECONDS, check=False)
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = 1
    killed = code == 1
    word = {0: "survives", 1: "killed"}.get(code, f"no verdict ({code})")
    print(f"{word:10} {time.monotonic() - began:5.0f} s  {mutant.file}: {mutant.old.strip()[:80]}", flush=True)
    return killed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
