"""`python docs/make_pictures.py`: makes docs/pictures/ from the commands of getting-started.md, by hand.

Needs what `make test` has installed, and Chromium (Debian: `apt-get install chromium`) for the pages.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from examples.demo.demo import make_workspace  # noqa: E402

PICTURES = DOCS / "pictures"
COLUMNS = 86
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
        picture_of_terminal(folder / "shop", env)
        picture_of_web_ui(folder, env)
        picture_of_report(folder, env)


def picture_of_terminal(folder: Path, env: dict[str, str]) -> None:
    """run.svg: two commands and what they print in a terminal."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    for command in ("epw run plan.yaml --id first", "git log --oneline main..epw/first"):
        console.print(Text(f"$ {command}", style="bold green"))
        console.print(Text.from_ansi(in_terminal(["bash", "-c", command], folder, env)))
    # Without fonts from elsewhere: the reader's own.
    form = _FONT_FACE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "Menlo, Consolas, DejaVu Sans Mono")
    form = "\n".join(line.rstrip() for line in form.splitlines()) + "\n"
    console.save_svg(str(PICTURES / "run.svg"), title="shop", theme=MONOKAI, code_format=form, unique_id="run")


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
    return printed.decode().replace("\r\n", "\n").rstrip()


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
