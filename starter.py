"""Command line, from a checkout: `python starter.py --help`; its code is epw/cli/main.py."""

import sys

try:
    from epw.cli.main import main as main
except ModuleNotFoundError as error:
    sys.exit(
        f"epw: the library {error.name} is not installed for {sys.executable}:"
        " `make .venv/.installed` installs all in .venv, then `.venv/bin/epw`"
    )

if __name__ == "__main__":
    main()
