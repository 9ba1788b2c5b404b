"""Worker process, from a checkout: `python worker.py --help`, as `epw worker`; its code is epw/cli/worker.py."""

import sys

import starter

if __name__ == "__main__":
    sys.argv.insert(1, "worker")
    starter.main()
