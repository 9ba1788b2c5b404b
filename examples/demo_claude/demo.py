"""`make demo-claude`: seven tasks by Claude agents, on the real API where a key is set, else on a scripted one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.demo_claude.turns import TURNS  # noqa: E402
from examples.repository import make_repository  # noqa: E402
from tests.messages_api import MessagesApi, by_task  # noqa: E402

REPOSITORY = ROOT / ".demo/web"
APP = '"""A small web application."""\n\nROUTES = {}\n'


async def main() -> int:
    make_repository(REPOSITORY, {"app.py": APP, ".gitignore": "__pycache__/\n"}, "A small web application")
    environment = {**os.environ, "EPW_HOME": str(ROOT / ".demo/home")}
    async with AsyncExitStack() as serving:
        if os.environ.get("ANTHROPIC_API_KEY"):
            print("on the real API, with your key (budget: see examples/demo_claude/plan.yaml)")
        else:
            api = await serving.enter_async_context(MessagesApi(by_task(TURNS)).serving())
            environment |= api.environment
            print(
                "SCRIPTED: a local server plays the model; its words, tokens and costs are made up, all else is real."
            )
            print("With ANTHROPIC_API_KEY set the same plan runs on the real API.")
        argv = [str(ROOT / "starter.py"), "run", str(Path(__file__).parent / "plan.yaml")]
        process = await asyncio.create_subprocess_exec(sys.executable, *argv, env=environment)
        return await process.wait()


def show() -> None:
    """Print what has been delivered."""
    shown = ["git", "log", "--graph", "--oneline", "--stat", "--max-count=40", "--branches=epw/*", "--not", "main"]
    subprocess.run(shown, cwd=REPOSITORY, check=False)


if __name__ == "__main__":
    code = asyncio.run(main())
    show()
    sys.exit(code)
