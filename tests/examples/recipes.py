"""Repositories for the plans of `examples/plans`, and scripts that do there what an agent is told to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_TEST = "test:\n\tpython3 -m unittest --quiet\n"
_IS_TRUE = "import unittest\n\n\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertTrue({})\n"


@dataclass(frozen=True)
class Recipe:
    """What the tasks of a plan work on, who does them, and what comes of it."""

    files: Mapping[str, str]
    """The repository."""
    agents: Mapping[str, str]
    """Shell text by task, for the tasks that an agent does."""
    delivered: Mapping[str, str]
    """Words by file of the delivered branch."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Status by task, where it is not `succeeded`."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Answers by task that asks."""


_CALLER = 'from src.money import price_text\n\n\ndef line() -> str:\n    return "no. {0}: " + price_text({0})\n'
_PACKAGES = ("orders", "catalog", "billing", "reports")
_OLD = 'def price_text(amount: float) -> str:\n    return f"{amount:.2f} EUR"\n'
_NEW = '\n\ndef format_price(amount: float, currency: str) -> str:\n    return f"{amount:.2f} {currency}"\n'
_MONEY_TEST = _IS_TRUE.format('format_price(1, "EUR") == "1.00 EUR"').replace(
    "import unittest\n", "import unittest\n\nfrom src.money import format_price\n"
)
_USE_NEW = r"sed -i -E 's/price_text\(([0-9]+)\)/format_price(\1, \"EUR\")/; s/import price_text/import format_price/'"
REFACTORING = Recipe(
    files={
        "Makefile": _TEST,
        "src/money.py": _OLD,
        "tests/__init__.py": "",
        **{f"src/{package}/part{n}.py": _CALLER.format(n) for package in _PACKAGES for n in range(10)},
    },
    agents={
        "add": f"cat >> src/money.py <<'END'{_NEW}END\ncat > tests/test_money.py <<'END'\n{_MONEY_TEST}END\n",
        **{package: f"{_USE_NEW} src/{package}/*.py" for package in _PACKAGES},
        "remove": "sed -i '1,/EUR/d' src/money.py",
    },
    delivered={
        "src/money.py": "def format_price",
        **{f"src/{package}/part{n}.py": f'format_price({n}, "EUR")' for package in _PACKAGES for n in range(10)},
    },
)

_SERVICES = ("accounts", "search", "mail", "billing", "gateway")
_CLOCK = "from datetime import UTC, datetime\n\n\ndef now() -> datetime:\n    return datetime.utcnow()\n"
_ZONE_TEST = _IS_TRUE.format("now().tzinfo is None or now().tzinfo").replace(
    "import unittest\n", "import unittest\n\nfrom clock import now\n"
)
MIGRATION = Recipe(
    files={
        "Makefile": "test:\n\tset -e; for each in services/*; do $(MAKE) -C $$each test; done\n",
        "pyproject.toml": "[tool.ruff.lint]\nselect = []\n",
        **{f"services/{each}/Makefile": _TEST for each in _SERVICES},
        **{f"services/{each}/clock.py": _CLOCK for each in _SERVICES},
        **{f"services/{each}/test_clock.py": _ZONE_TEST for each in _SERVICES},
    },
    agents={
        **{each: f"sed -i 's/utcnow()/now(UTC)/' services/{each}/clock.py" for each in _SERVICES},
        # An agent that breaks its service, however often it is asked.
        "mail": "echo 'def now(): return' > services/mail/clock.py; echo 'raise 1' >> services/mail/test_clock.py",
        "rule": "sed -i 's/\\[\\]/[\"DTZ003\"]/' pyproject.toml",
    },
    delivered={
        **{f"services/{each}/clock.py": "datetime.now(UTC)" for each in _SERVICES if each != "mail"},
        "services/mail/clock.py": "utcnow",
        "pyproject.toml": "select = []",
    },
    failed={"mail": "failed", "rule": "skipped"},
)

_MODULES = ("cart", "stock", "taxes")
BACKFILL = Recipe(
    files={
        "Makefile": _TEST,
        "src/__init__.py": "",
        "tests/__init__.py": "",
        **{f"src/{each}.py": "def total(prices):\n    return sum(prices)\n" for each in _MODULES},
    },
    agents={
        each: f"cat > tests/test_{each}.py <<'END'\n"
        f"from src.{each} import total\n{_IS_TRUE.format('total([1]) == 1')}END"
        for each in _MODULES
    },
    delivered={
        **{f"tests/test_{each}.py": "total([1])" for each in _MODULES},
        "TESTED.txt": "tests/test_cart.py\ntests/test_stock.py\ntests/test_taxes.py\n",
    },
)

_LIBRARIES = ("api", "cli", "worker")
UV_LOCK = "cat packages/*/pyproject.toml | sha256sum > uv.lock"
"""What stands for `uv lock`: a lock file of all packages, which two versions of never merge."""
DEPENDENCIES = Recipe(
    files={
        "Makefile": "test:\n\tcat packages/*/pyproject.toml | sha256sum | diff - uv.lock\n",
        "uv.lock": "",
        "CHANGELOG.md": "# Changes\n",
        **{f"packages/{each}/Makefile": "test:\n\tgrep 2 pyproject.toml\n" for each in _LIBRARIES},
        **{f"packages/{each}/pyproject.toml": f'name = "{each}"\nhttpx = "1"\n' for each in _LIBRARIES},
    },
    agents={
        **{each: f"sed -i s/1/2/ packages/{each}/pyproject.toml; {UV_LOCK}" for each in _LIBRARIES},
        "notes": "echo '- httpx 2' >> CHANGELOG.md",
    },
    delivered={
        **{f"packages/{each}/pyproject.toml": 'httpx = "2"' for each in _LIBRARIES},
        "CHANGELOG.md": "httpx 2",
    },
)

_LANGUAGES = ("de", "fr", "es", "ja")
_ASK = 'if [ -z "${EPW_ANSWER:-}" ]; then echo \'{"question": "What is a cart?"}\' >> "$EPW_EVENTS"; exit 75; fi\n'
TRANSLATIONS = Recipe(
    files={
        "texts": "cart\n",
        "Makefile": 'locales/en.json: texts\n\tmkdir -p locales; echo "{\\"cart\\": \\"Cart\\"}" > $@\n'
        "check-locales:\n\tgrep -c cart locales/*.json\n",
    },
    agents={
        **{each: f'echo \'{{"cart": "{each}"}}\' > locales/{each}.json' for each in _LANGUAGES},
        "de": f'{_ASK}echo "{{\\"cart\\": \\"$EPW_ANSWER\\"}}" > locales/de.json',
    },
    delivered={
        "locales/en.json": "Cart",
        **{f"locales/{each}.json": each for each in _LANGUAGES if each != "de"},
        "locales/de.json": "Warenkorb",
    },
    answers={"de": "Warenkorb"},
)

RECIPES = {
    "refactoring": REFACTORING,
    "migration": MIGRATION,
    "test-backfill": BACKFILL,
    "dependency-update": DEPENDENCIES,
    "translations": TRANSLATIONS,
}
"""By the name of the plan in `examples/plans`."""
