"""What code does beyond its names and types: of the corpus, what no checker says, and look-alikes that stay allowed."""

from __future__ import annotations

import pytest

from activities.conflicts.behaviour.check import check_behaviour
from tests.activities.conflicts.test_names import found
from tests.activities.conflicts.test_semantic_corpus import by_symbols
from tests.corpus import Case, Files, cases

FOUND = frozenset(
    {
        "javascript/default-value-changed-new-reliance",
        "javascript/plugin-contract-changed-new-plugin",
        "python/exception-type-changed-new-except",
        "python/method-became-property-new-call",
        "python/new-abstract-method-new-subclass",
        "python/two-new-imports-make-a-cycle",
        "python/import-cycle-from-both-sides",
        "python/abstract-method-added-new-subclass",
    }
)
STORE = "from abc import ABC, abstractmethod\n\n\nclass Store(ABC):\n    @abstractmethod\n    def get(self): ...\n"
CLOSE = "\n    @abstractmethod\n    def close(self): ...\n"
DISK = "from store import Store\n\n\nclass Disk(Store):\n    def get(self):\n        return 1\n"
CLOSES = "\n    def close(self):\n        return 1\n"
METHOD = "class Cart:\n    def total(self):\n        return 1\n"
PROPERTY = "class Cart:\n    @property\n    def total(self):\n        return 1\n"
PAY = "from cart import Cart\n\n\ndef pay():\n    x = Cart()\n    return x.total()\n"
LOOKUP = "V = {}\n\n\ndef lookup(name):\n    return V[name]\n"
MISSING = "V = {}\n\n\nclass Missing(LookupError):\n    pass\n\n\ndef lookup(name):\n    raise Missing(name)\n"
FIND = "\n\ndef find(name):\n    return lookup(name)\n"
HANDLES = "\n\ndef get(name):\n    try:\n        return lookup(name)\n    except KeyError:\n        return None\n"
NEW_HANDLER = f"from settings import lookup\n{HANDLES}"
TESTS = (
    "import pytest\nfrom settings import lookup\n\n\n"
    "def test_a():\n    with pytest.raises(KeyError):\n        lookup('a')\n"
)
RETRY = "def retry(action, attempts=3):\n    return action(attempts)\n"
ONCE = "def retry(action, attempts=1):\n    return action(attempts)\n"
CALL = "from retry import retry\n\n\ndef load(action):\n    return retry(action)\n"
CALL_3 = "from retry import retry\n\n\ndef load(action):\n    return retry(action, attempts=3)\n"
LOADER = (
    "import importlib\nimport pkgutil\n\nimport plugins\n\nfor each in pkgutil.iter_modules(plugins.__path__):\n"
    "    module = importlib.import_module(f'plugins.{each.name}')\n    module.setup()\n"
)
PLUGIN = "def setup():\n    pass\n"
STOP = "\n\ndef stop():\n    pass\n"
MAKES = "def order():\n    return {'total': 1, 'name': 'a'}\n\n\nprint(order()['total'])\n"
MADE = MAKES.replace("total", "amount")
READS = "from orders import order\n\nprint(order()['total'])\n"
FIXTURE = "import pytest\n\n\n@pytest.fixture\ndef client():\n    return 1\n"
ASKS = "def test_a(client):\n    assert client\n"
A, B = "from b import B\n\nA = 1\n", "from a import A\n\nB = 1\n"


def adapted(text: str) -> str:
    return text.replace("KeyError", "Missing")


BROKEN: dict[str, tuple[Files, Files, Files]] = {
    "key that was renamed": ({"orders.py": MAKES}, {"orders.py": MADE}, {"bill.py": READS}),
    "fixture that was renamed": (
        {"tests/conftest.py": FIXTURE, "tests/test_a.py": ASKS},
        {"tests/conftest.py": FIXTURE.replace("client", "web"), "tests/test_a.py": ASKS.replace("client", "web")},
        {"tests/test_b.py": ASKS},
    ),
    "abstract, without a subclass so far": ({"store.py": STORE}, {"store.py": STORE + CLOSE}, {"disk.py": DISK}),
    "abstract, of a package": (
        {"store/base.py": STORE, "store/__init__.py": "from store.base import Store\n"},
        {"store/base.py": STORE + CLOSE},
        {"disk.py": DISK},
    ),
    "property, by a variable": ({"cart.py": METHOD}, {"cart.py": PROPERTY}, {"a.py": PAY}),
    "exception, of a function that is called": (
        {"settings.py": LOOKUP + FIND + HANDLES.replace("lookup", "find")},
        {"settings.py": MISSING + FIND + adapted(HANDLES.replace("lookup", "find"))},
        {"a.py": NEW_HANDLER.replace("lookup", "find")},
    ),
    "exception, in a test": (
        {"settings.py": LOOKUP + HANDLES},
        {"settings.py": MISSING + adapted(HANDLES)},
        {"test_a.py": TESTS},
    ),
    "default, named by the calls that were there": (
        {"retry.py": RETRY, "up.py": CALL},
        {"retry.py": ONCE, "up.py": CALL_3},
        {"down.py": CALL},
    ),
    "plugin of Python": (
        {"main.py": LOADER, "plugins/a.py": PLUGIN},
        {"main.py": LOADER + "    module.stop()\n", "plugins/a.py": PLUGIN + STOP},
        {"plugins/b.py": PLUGIN},
    ),
    "cycle of three modules": (
        {"a.py": "A = 1\n", "b.py": "B = 1\n", "c.py": "C = 1\n"},
        {"a.py": A, "b.py": "from c import C\n\nB = 1\n"},
        {"c.py": "from a import A\n\nC = 1\n"},
    ),
    "cycle in a package": (
        {"p/__init__.py": "", "p/a.py": "A = 1\n", "p/b.py": "B = 1\n"},
        {"p/a.py": "from .b import B\n\nA = 1\n"},
        {"p/b.py": "from p.a import (\n    A,\n)\n\nB = 1\n"},
    ),
}
LOOK_ALIKES: dict[str, tuple[Files, Files, Files]] = {
    "key that something else makes too": (
        {"orders.py": MAKES, "bills.py": "BILL = {'total': 2}\n"},
        {"orders.py": MADE},
        {"bill.py": READS},
    ),
    "key of a file": ({"orders.py": MAKES, "a.json": '{"total": 1}\n'}, {"orders.py": MADE}, {"bill.py": READS}),
    "key that was only removed": (
        {"orders.py": MAKES},
        {"orders.py": MAKES.replace("'total': 1, ", "").replace("\n\n\nprint(order()['total'])", "")},
        {"bill.py": READS},
    ),
    "key that is asked for": (
        {"orders.py": MAKES},
        {"orders.py": MADE},
        {"bill.py": READS.replace("['total']", ".get('total', 0)")},
    ),
    "fixture of a library": (
        {"tests/conftest.py": FIXTURE, "tests/test_a.py": ASKS},
        {"tests/conftest.py": "import pytest\n"},
        {"tests/test_b.py": ASKS},
    ),
    "fixture of another folder": (
        {"one/conftest.py": FIXTURE, "two/test_a.py": "def test_a():\n    pass\n"},
        {"one/conftest.py": FIXTURE.replace("client", "web")},
        {"two/test_b.py": ASKS},
    ),
    "parameter that is no fixture": (
        {"tests/conftest.py": FIXTURE},
        {"tests/conftest.py": FIXTURE.replace("client", "web")},
        {"tests/test_b.py": "import pytest\n\n\n@pytest.mark.parametrize('client', [1])\n" + ASKS},
    ),
    "abstract member that the new subclass has": (
        {"store.py": STORE},
        {"store.py": STORE + CLOSE},
        {"disk.py": DISK + CLOSES},
    ),
    "abstract member from a second base": (
        {"store.py": STORE, "mixin.py": "class Closes:\n" + CLOSES},
        {"store.py": STORE + CLOSE},
        {"disk.py": DISK.replace("(Store)", "(Closes, Store)")},
    ),
    "abstract member from a base that nobody knows": (
        {"store.py": STORE},
        {"store.py": STORE + CLOSE},
        {"disk.py": DISK.replace("(Store)", "(vendor.Closes, Store)")},
    ),
    "abstract member of a subclass that is abstract itself": (
        {"store.py": STORE},
        {"store.py": STORE + CLOSE},
        {"disk.py": DISK + "\n    @abstractmethod\n    def path(self): ...\n"},
    ),
    "abstract member that a subclass of the new one has": (
        {"store.py": STORE},
        {"store.py": STORE + CLOSE},
        {"disk.py": DISK + "\n\nclass Fast(Disk):" + CLOSES},
    ),
    "abstract member of a class of this name in another folder": (
        {"one/store.py": STORE, "two/store.py": STORE},
        {"one/store.py": STORE + CLOSE},
        {"two/disk.py": DISK},
    ),
    "property of a class, method of another": (
        {"cart.py": METHOD, "bill.py": "class Bill:\n    def total(self):\n        return 2\n"},
        {"cart.py": PROPERTY},
        {"a.py": PAY.replace("Cart", "Bill").replace("cart", "bill")},
    ),
    "property of a name that a library has": (
        {"reply.py": METHOD.replace("total", "json").replace("Cart", "Reply")},
        {"reply.py": PROPERTY.replace("total", "json").replace("Cart", "Reply")},
        {"a.py": "import requests\nfrom reply import Reply\n\nprint(requests.get('a').json())\n"},
    ),
    "property that gives something to call": (
        {"cart.py": METHOD, "b.py": "from cart import Cart\n\nprint(Cart().total())\n"},
        {"cart.py": PROPERTY, "b.py": "from cart import Cart\n\ncart = Cart()\nprint(cart.total()())\n"},
        {"a.py": PAY},
    ),
    "exception of a kind that the new handler catches": (
        {"settings.py": LOOKUP + HANDLES},
        {"settings.py": MISSING + adapted(HANDLES)},
        {"a.py": NEW_HANDLER.replace("KeyError", "LookupError")},
    ),
    "exception that is one of the former kind": (
        {"settings.py": LOOKUP + HANDLES},
        {"settings.py": MISSING.replace("(LookupError)", "(KeyError)") + adapted(HANDLES)},
        {"a.py": NEW_HANDLER},
    ),
    "exception raised beside the former one": (
        {"settings.py": LOOKUP + HANDLES},
        {"settings.py": MISSING + HANDLES + adapted(HANDLES).replace("get", "fetch")},
        {"a.py": NEW_HANDLER},
    ),
    "exception of a function of this name in another folder": (
        {"one/settings.py": LOOKUP + HANDLES, "two/settings.py": LOOKUP},
        {"one/settings.py": MISSING + adapted(HANDLES)},
        {"two/a.py": NEW_HANDLER},
    ),
    "default that the new call names": (
        {"retry.py": RETRY, "up.py": CALL},
        {"retry.py": ONCE, "up.py": CALL_3},
        {"down.py": CALL.replace("retry(action)", "retry(action, 2)")},
    ),
    "default that nobody relied on": (
        {"retry.py": RETRY, "up.py": CALL},
        {"retry.py": ONCE},
        {"down.py": CALL},
    ),
    "default that some calls go without": (
        {"retry.py": RETRY, "up.py": CALL, "other.py": CALL},
        {"retry.py": ONCE, "up.py": CALL_3},
        {"down.py": CALL},
    ),
    "member of plugins that is asked for": (
        {"main.py": LOADER, "plugins/a.py": PLUGIN},
        {
            "main.py": LOADER + "    if hasattr(module, 'stop'):\n        module.stop()\n",
            "plugins/a.py": PLUGIN + STOP,
        },
        {"plugins/b.py": PLUGIN},
    ),
    "member that other plugins do without": (
        {"main.py": LOADER, "plugins/a.py": PLUGIN, "plugins/c.py": PLUGIN},
        {"main.py": LOADER + "    module.stop()\n", "plugins/a.py": PLUGIN + STOP},
        {"plugins/b.py": PLUGIN},
    ),
    "file beside the plugins": (
        {"main.py": LOADER, "plugins/a.py": PLUGIN},
        {"main.py": LOADER + "    module.stop()\n", "plugins/a.py": PLUGIN + STOP},
        {"plugins/words.py": "def words():\n    pass\n"},
    ),
    "cycle that is loaded later": (
        {"a.py": "A = 1\n", "b.py": "B = 1\n"},
        {"a.py": A},
        {"b.py": "def b():\n    from a import A\n\n    return A\n\n\nB = 1\n"},
    ),
    "cycle for types only": (
        {"a.py": "A = 1\n", "b.py": "B = 1\n"},
        {"a.py": A},
        {"b.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from a import A\n\nB = 1\n"},
    ),
    "cycle whose names are there in time": (
        {"a.py": "A = 1\n", "b.py": "B = 1\n"},
        {"a.py": "A = 1\n\nfrom b import B\n"},
        {"b.py": B},
    ),
    "imports of one way": (
        {"a.py": "A = 1\n", "b.py": "B = 1\n", "c.py": "C = 1\n"},
        {"a.py": A},
        {"b.py": "from c import C\n\nB = 1\n"},
    ),
}


def messages(base: Files, ours: Files, theirs: Files) -> list[str]:
    return found(Case("python", "made", True, "", base, ours, theirs, ""), check_behaviour)


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_of_the_corpus_what_checkers_miss_is_found_and_nothing_else(case: Case) -> None:
    told = found(case, check_behaviour)
    assert len(told) == (str(case) in FOUND), told


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_fit_is_found_whoever_comes_first(name: str) -> None:
    base, ours, theirs = BROKEN[name]
    assert (len(messages(base, ours, theirs)), len(messages(base, theirs, ours))) == (1, 1)


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_only_looks_like_it_is_allowed(name: str) -> None:
    base, ours, theirs = LOOK_ALIKES[name]
    assert messages(base, ours, theirs) == []
    assert messages(base, theirs, ours) == []


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_nor_do_symbols_refuse_it(name: str) -> None:
    base, ours, theirs = LOOK_ALIKES[name]
    assert by_symbols(Case("python", name, False, "", base, ours, theirs, "")) == []
    assert by_symbols(Case("python", name, False, "", base, theirs, ours, "")) == []


def test_long_lines_and_wide_classes_end_no_landing() -> None:
    long = "x = '" + "a" * 200_000 + "'\ny = {" + "a:" * 100_000 + "1}\n" + "from a import (\n" * 5_000
    wide = "".join(f"class C{n}({', '.join(f'C{m}' for m in range(n + 1, 12))}):\n    pass\n\n\n" for n in range(12))
    base: Files = {"a.py": "A = 1\n", "b.py": "B = 1\n", "store.py": STORE}
    ours: Files = {"a.py": f"A = 2\n{long}", "store.py": STORE + CLOSE + f"\n\n{wide}"}
    theirs: Files = {
        "b.py": f"B = 2\n{long}",
        "c.py": f"from store import Store\n\n\n{wide}\n\nclass C(C0, Store):\n    pass\n",
    }
    assert messages(base, ours, theirs) == []
