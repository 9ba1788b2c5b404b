"""As a program: enter a sandbox and become a command. `LEVEL OWN READABLE -- COMMAND …`, folders joined as in PATH.

Started by its path, isolated (`python -I`): where it starts is an agent's directory, whose modules are none of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from activities.sandbox.levels import thread_setup


def main() -> None:
    level, own, readable, _, *argv = sys.argv[1:]
    folders = ([Path(each) for each in joined.split(os.pathsep) if each] for joined in (own, readable))
    prepare = thread_setup(level, own=next(folders), readable=next(folders))
    if prepare is not None:
        prepare()
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
