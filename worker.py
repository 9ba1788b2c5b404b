"""Worker process, from a checkout: `python worker.py --help`, as `epw worker`; its code is epw/cli/worker.py."""

import sys

from epw.cli.main import main

if __name__ == "__main__":
    sys.argv.insert(1, "worker")
    main()
