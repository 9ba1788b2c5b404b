"""Command line, from a checkout: `python starter.py --help`; its code is epw/cli/main.py."""

from epw.cli.main import main

if __name__ == "__main__":
    main()
