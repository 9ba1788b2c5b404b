"""Imports run one way at every depth, the core is pure, and processes start in few places."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]
TOP = ("epw", "workflows", "activities", "worker", "starter")
LAYERS = {
    "epw.core": (),
    "epw.tools": ("epw.core",),
    "epw.importers": ("epw.core",),
    "epw.rendering": ("epw.core",),
    "workflows": ("epw.core",),
    "activities": ("epw.core", "epw.rendering"),
    "epw.service": ("epw.core", "epw.settings", "workflows", "activities"),
    "epw.client": ("epw.core", "epw.importers", "epw.settings", "activities", "epw.service"),
    "epw.mcp": (
        *("epw.core", "epw.tools", "epw.rendering", "epw.settings", "activities", "epw.service", "epw.client"),
    ),
    "epw.cli": (
        "epw.core",
        "epw.importers",
        "epw.rendering",
        "epw.settings",
        "workflows",
        "activities",
        "epw.service",
        "epw.client",
        "epw.mcp",
    ),
}
"""Layers that each layer may import, besides itself."""
OUTSIDE = frozenset(
    [
        "os",
        "pathlib",
        "psutil",
        "random",
        "shutil",
        "socket",
        "subprocess",
        "tempfile",
        "temporalio",
        "threading",
        "time",
        "uuid",
    ]
)
PARTS_OF_DECLARED = {"google", "yaml", "pydantic_core", "opentelemetry"}
"""Modules of protobuf, pyyaml, pydantic and an extra of temporalio."""
STARTS_PROCESSES = {"git", "processes", "sandbox", "system"}
MAX_LINES = 300


@cache
def modules() -> dict[str, Path]:
    """Product files by module name."""
    found = {}
    for path in chain.from_iterable([*(ROOT / top).rglob("*.py"), ROOT / f"{top}.py"] for top in TOP):
        if path.exists():
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Modules that a file imports, in functions too: ours by their whole name, others by their top."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else str(node.module) for name in whole]
        else:
            continue
        found |= {name if name.split(".")[0] in TOP else name.split(".")[0] for name in names}
    return frozenset(found)


def is_in(module: str, layer: str) -> bool:
    return module == layer or module.startswith(f"{layer}.")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_those_beneath_it(layer: str) -> None:
    for module in filter(lambda each: is_in(each, layer), modules()):
        for name in imports(module):
            if name.split(".")[0] in TOP:
                assert any(is_in(name, each) for each in (layer, *LAYERS[layer])), f"{module} imports {name}"


def test_folders_import_in_no_circle_at_any_depth() -> None:
    """Among what stands side by side in a folder, files and folders, imports have an order; the layers of `epw` are
    looked at beside `workflows` and `activities`.
    """
    edges = {(module, name) for module in modules() for name in imports(module) if name in modules()}
    for folder in ["", *(name for name, path in modules().items() if path.name == "__init__.py" and name != "epw")]:
        graph: nx.DiGraph[str] = nx.DiGraph()
        for ends in edges:
            if all(is_in(each, folder) or not folder for each in ends):
                first, second = (_child(each, folder) for each in ends)
                if first != second:
                    graph.add_edge(first, second)
        circles = [sorted(each) for each in nx.strongly_connected_components(graph) if len(each) > 1]
        assert not circles, f"{folder or 'the root'}: {circles}"


def _child(module: str, folder: str) -> str:
    """Child of a folder (`""`: the root) that is the module or holds it."""
    if not folder:
        return ".".join(module.split(".")[: 2 if module.startswith("epw.") else 1])
    return ".".join(module.split(".")[: folder.count(".") + 2])


def test_the_core_tools_importers_and_rendering_reach_nothing_outside_by_any_import() -> None:
    """Follow imports of imports, as far as they are ours."""
    pure = ("epw.core", "epw.tools", "epw.importers", "epw.rendering")
    waiting = [module for module in modules() if any(is_in(module, each) for each in pure)]
    seen = set(waiting)
    while waiting:
        module = waiting.pop()
        assert not imports(module) & OUTSIDE, f"{module} imports {imports(module) & OUTSIDE}"
        found = [name for name in imports(module) if name in modules() and name not in seen]
        seen |= set(found)
        waiting += found


def test_workflow_code_touches_nothing_outside_temporal() -> None:
    for module in filter(lambda each: is_in(each, "workflows"), modules()):
        assert not imports(module) & (OUTSIDE - {"temporalio"}), module


def test_processes_start_in_few_places() -> None:
    for module, path in modules().items():
        if is_in(module, "activities") and ("subprocess" in imports(module) or "create_subprocess" in path.read_text()):
            assert module.split(".")[1] in STARTS_PROCESSES, f"{module} starts processes"


def test_git_commands_are_written_in_one_folder() -> None:
    for module, path in modules().items():
        if not is_in(module, "activities.git"):
            called = [each.func for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
            names = {each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in called}
            assert not names & {"git", "run_git"}, f"{module} writes git's arguments"


def test_the_root_of_the_activities_holds_activities_alone() -> None:
    for path in (ROOT / "activities").glob("*.py"):
        assert path.name == "__init__.py" or "@activity.defn(" in path.read_text(), f"{path.name} is no activity"


def test_no_file_is_more_than_one_noun_or_verb() -> None:
    for path in modules().values():
        assert len(path.read_text().splitlines()) <= MAX_LINES, path


def test_what_is_imported_is_declared() -> None:
    """Packages that the product imports and pyproject.toml does not name, nor the standard library holds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    declared = {_first_word(each).replace("-", "_") for each in named} | PARTS_OF_DECLARED
    ours = {*TOP, *sys.stdlib_module_names}
    for module in modules():
        undeclared = {name for name in imports(module) if name.split(".")[0] not in ours} - declared
        assert not undeclared, f"{module} imports {undeclared}"


def _first_word(requirement: str) -> str:
    return requirement.split(">")[0].split("[")[0].strip().lower()
