"""`python docs/make_pictures.py`: makes docs/pictures/ from the commands of getting-started.md, by hand.

Needs what `make test` has installed, and Chromium (Debian: `apt-get install chromium`) for the pages;
`--terminal`: those of the terminal alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import pyte
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from examples.demo.demo import make_workspace  # noqa: E402

PICTURES = DOCS / "pictures"
COLUMNS, VIEW_COLUMNS, LINES = 86, 120, 17
_VIEW = re.compile(r"\x1b\[\?1049h.*?\x1b\[\?1049l", re.DOTALL)


def _working(operation: str, steps: int, cost: float, more: str = "") -> str:
    """Shell text of a task that reports what it does."""
    lines = []
    for n in range(1, steps + 1):
        percent = n * 10
        report = {
            "percent": percent,
            "operation": operation,
            "files": ["shop.py"],
            "tokens": 1900 * n,
            "costUSD": cost * n,
        }
        lines.append(f"echo '{json.dumps({'progress': report})}' >> \"$EPW_EVENTS\"; sleep 1.2")
    return more + "\n".join([*lines, "sleep 60"])


_ASK = """if [ -z "${EPW_ANSWER:-}" ]; then
  echo '{"question": "In euros or in dollars?", "options": ["euros", "dollars"]}' >> "$EPW_EVENTS"; exit 75
fi"""
_VIEWED = {
    "maxAgents": 4,
    "constraints": {"budget": {"maxCostUSD": 2.5}},
    "tasks": [
        {"id": "hello", "description": "d", "estimatedMinutes": 0.1, "run": "sleep 2"},
        {"id": "goodbye", "description": "d", "estimatedMinutes": 2, "run": _working("editing shop.py", 7, 0.031)},
        {"id": "stock", "description": "d", "estimatedMinutes": 1, "run": _working("running the tests", 9, 0.017)},
        {"id": "prices", "description": "d", "run": _ASK},
        {"id": "docs", "description": "d", "dependsOn": ["goodbye"], "run": "true"},
        {"id": "tests", "description": "d", "dependsOn": ["hello", "goodbye", "prices"], "run": "true"},
    ],
}
"""A plan for the picture of the view: what its tasks report is made up, how it is shown is not."""
_FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FONT_FACE = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)


def make() -> None:
    with tempfile.TemporaryDirectory(prefix="epw-pictures-") as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        (folder / "bin/epw").write_text(f'#!/bin/sh\nexec {sys.executable} {DOCS.parent}/starter.py "$@"\n')
        (folder / "bin/epw").chmod(0o755)
        path = f"{folder}/bin:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "HOME": name, "EPW_HOME": f"{name}/home", "EPW_CONFIG": os.devnull}
        env = {**env, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "LANG": "C.UTF-8", "GIT_PAGER": "cat"}
        _, project, plan = _FENCE.findall((DOCS / "getting-started.md").read_text())[:3]
        plan = plan.split("epw analyze")[0]
        subprocess.run(["bash", "-euo", "pipefail", "-c", project + plan], cwd=folder, env=env, check=True)
        picture_of_view(folder / "shop", env)
        picture_of_terminal(folder / "shop", env)
        if "--terminal" not in sys.argv:
            picture_of_web_ui(folder, env)
            picture_of_report(folder, env)


def picture_of_terminal(folder: Path, env: dict[str, str]) -> None:
    """run.svg: two commands and what they print in a terminal."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    for command in ("epw run plan.yaml --id first", "git log --oneline main..epw/first"):
        console.print(Text(f"$ {command}", style="bold green"))
        console.print(Text.from_ansi(in_terminal(["bash", "-c", command], folder, env)))
    _save(console, "run")


def picture_of_view(folder: Path, env: dict[str, str]) -> None:
    """view.svg: the live view while two agents work and one asks."""
    plan = folder.parent / "view.json"
    plan.write_text(json.dumps(_VIEWED))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, VIEW_COLUMNS, 0, 0))
    argv = ["epw", "run", str(plan), "--id", "shop"]
    process = subprocess.Popen(argv, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    screen = pyte.Screen(VIEW_COLUMNS, LINES)
    stream, deadline = pyte.ByteStream(screen), time.monotonic() + 60
    while "70%" not in "".join(screen.display) or "[1]" not in "".join(screen.display):
        stream.feed(os.read(ours, 65_536))
        assert time.monotonic() < deadline, screen.display
    console = Console(record=True, width=VIEW_COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    for number in range(LINES):
        made = Text(no_wrap=True, end="\n")
        for column in range(VIEW_COLUMNS):
            made.append(screen.buffer[number][column].data, _style(screen.buffer[number][column]))
        console.print(made)
    _save(console, "view")
    os.write(ours, b"\x03c")
    with contextlib.suppress(OSError):
        while os.read(ours, 65_536) and process.poll() is None:
            pass
    process.wait()


def _style(cell: pyte.screens.Char) -> Style:
    colour = None if cell.fg == "default" else {"brown": "yellow"}.get(cell.fg, cell.fg)
    return Style(color=colour, bold=cell.bold, reverse=cell.reverse)


def _save(console: Console, name: str) -> None:
    # Without fonts from elsewhere: the reader's own.
    form = _FONT_FACE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "Menlo, Consolas, DejaVu Sans Mono")
    form = "\n".join(line.rstrip() for line in form.splitlines()) + "\n"
    console.save_svg(str(PICTURES / f"{name}.svg"), title="shop", theme=MONOKAI, code_format=form, unique_id=name)


def in_terminal(argv: list[str], folder: Path, env: dict[str, str]) -> str:
    """What a command prints in a terminal, with its colours."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65_536):
            printed += part
    os.close(ours)
    if process.wait() != 0:
        sys.exit(f"{argv}:\n{printed.decode()}")
    # The view is another picture.
    return _VIEW.sub("", printed.decode()).replace("\r\n", "\n").rstrip()


def picture_of_web_ui(folder: Path, env: dict[str, str]) -> None:
    """web-ui.png: the execution in the Temporal Web UI."""
    with subprocess.Popen(["epw", "up"], env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as up:
        assert up.stdout is not None
        address = next(line for line in up.stdout if "Web UI" in line).split()[-1]
        try:
            photograph(f"{address}/first", "web-ui.png", (1280, 1250), folder, env)
        finally:
            up.send_signal(signal.SIGINT)
            up.communicate(timeout=60)


def picture_of_report(folder: Path, env: dict[str, str]) -> None:
    """report.png: the upper part of the page of the demo's report."""
    plan = folder / "examples/demo/plan.yaml"
    plan.parent.mkdir(parents=True)
    shutil.copy(DOCS.parent / "examples/demo/plan.yaml", plan)
    make_workspace(folder / ".demo/repo")
    subprocess.run(["epw", "run", str(plan), "--id", "demo"], env=env, check=True)
    page = folder / "report.html"
    subprocess.run(["epw", "report", "demo", "--html", str(page)], env=env, check=True)
    photograph(page.as_uri(), "report.png", (1180, 1340), folder, env)


def photograph(address: str, name: str, size: tuple[int, int], folder: Path, env: dict[str, str]) -> None:
    """Picture of a page in a window of this width and height."""
    chromium = shutil.which("chromium") or sys.exit("chromium is missing")
    argv = [chromium, "--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={size[0]},{size[1]}"]
    argv += ["--force-device-scale-factor=0.75", "--virtual-time-budget=15000"]
    argv += [f"--user-data-dir={folder}/chromium", f"--screenshot={PICTURES / name}", address]
    subprocess.run(argv, env=env, check=True, timeout=120, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    make()
