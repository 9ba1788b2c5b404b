"""Program that enters a sandbox and executes a command: `LEVEL OWN READABLE -- COMMAND …`, folders joined as in PATH.

Started by its path in isolated mode (`python -I`), so that it finds no modules of the agent's directory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, next(str(each) for each in Path(__file__).parents if (each / "epw").is_dir()))

from activities.sandbox.levels import thread_setup


def main() -> None:
    level, own, readable, _, *argv = sys.argv[1:]
    folders = ([Path(each) for each in joined.split(os.pathsep) if each] for joined in (own, readable))
    setup = thread_setup(level, own=next(folders), readable=next(folders))
    if setup is not None:
        setup()
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
