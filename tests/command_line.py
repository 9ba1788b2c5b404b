"""The command line as processes, in a state directory of a test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import forked

ROOT = Path(__file__).parent.parent
_SECONDS = 90


@dataclass
class Cli:
    home: Path
    temporal: str
    environment: dict[str, str] = field(default_factory=dict)
    is_forked: bool = sys.platform == "linux"
    """Whether commands are forked from a process that has imported the libraries; else each is a program of its own."""
    within: tuple[str, ...] = ()
    """What the command line of each program begins with, as of one in another network."""

    @property
    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "EPW_HOME": str(self.home),
            "EPW_CONFIG": os.devnull,
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }

    def __call__(
        self, *arguments: str, code: int | None = 0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        if self.is_forked:
            done = forked.run(arguments, self.env, _SECONDS, stdin)
        else:
            argv = [*self.within, sys.executable, str(ROOT / "starter.py"), *arguments]
            done = subprocess.run(
                argv, env=self.env, capture_output=True, text=True, timeout=_SECONDS, check=False, input=stdin
            )
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def execute(self, plan: str, identifier: str, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`start` a plan for the worker of `up` and `watch` it; `run` would start a worker of its own."""
        self("start", plan, "--id", identifier)
        return self("watch", identifier, *options, code=code)

    def popen(self, *arguments: str, script: str = "starter.py") -> subprocess.Popen[str]:
        argv = [*self.within, sys.executable, str(ROOT / script), *arguments]
        return subprocess.Popen(
            argv, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def temporal_cli(self, *arguments: str, code: int | None = 0) -> str:
        """The `temporal` CLI against the embedded server."""
        note = json.loads((self.home / "server/server.json").read_text())
        argv = [self.temporal, *arguments, "--address", note["address"], "--namespace", note["namespace"]]
        argv += ["--output", "json"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=self.env)
        assert code is None or done.returncode == code, done.stderr
        return done.stdout

    def plan(self, document: dict[str, Any]) -> str:
        path = self.home.parent / f"plan-{time.monotonic_ns()}.json"
        path.write_text(json.dumps(document))
        return str(path)


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true value of a condition that other processes bring about."""
    asked = time.monotonic()
    deadline = asked + seconds
    while asked < deadline:
        if found := condition():
            return found
        # A command that is asked again and again takes the processor from those that it waits for.
        time.sleep(max(0.05, 2 * (time.monotonic() - asked)))
        asked = time.monotonic()
    raise AssertionError(f"not within {seconds} s: {condition}")


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """The next line of a process's output that holds `words`."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        if words in line:
            return line
        seen += line
    raise AssertionError(f"no line with {words!r}; exit code {process.wait(10)} after:\n{seen}")


def stop(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str]:
    """Exit code and remaining output after a signal."""
    process.send_signal(number)
    out, _ = process.communicate(timeout=40)
    return process.returncode, out
