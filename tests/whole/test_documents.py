"""What the documents show: commands that are taken or run, YAML that is read, links that lead to files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from epw.cli.commands import COMMANDS, Commands
from epw.core import strict_yaml
from epw.core.plan.validate import read_plan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_FLOW = re.compile(r"^\s*(- )?([\w.-]+: )?[\[{](?!\})")


def blocks(path: Path, *languages: str) -> list[str]:
    return [text for language, text in _FENCE.findall(path.read_text()) if language in languages]


def commands(pages: Sequence[Path] = PAGES) -> list[str]:
    """Commands of this program in the documents, each once."""
    lines = [line for path in pages for text in blocks(path, "", "sh", "bash", "console") for line in text.splitlines()]
    found = [line.removeprefix("$ ") for line in lines if line.removeprefix("$ ").startswith("epw ")]
    return sorted({re.sub(r"\s+#.*", "", line) for line in found})


def yaml_texts() -> list[tuple[str, str]]:
    found = [(path.name, text) for path in PAGES for text in blocks(path, "yaml")]
    files = sorted((ROOT / "examples").rglob("*.yaml"))
    return [*found, *((str(path.relative_to(ROOT)), path.read_text()) for path in files)]


@pytest.mark.parametrize("line", commands())
def test_a_command_in_the_documents_is_one_that_is_taken(line: str) -> None:
    words = shlex.split(re.split(r" [|>&]+ ", line)[0].replace("[", "").replace("]", ""))
    if words[1:] == ["--version"]:
        return
    assert words[1] in COMMANDS, line
    Commands(name="epw").get_command(None, words[1]).make_context(words[1], words[2:])


@pytest.mark.parametrize(("name", "text"), yaml_texts(), ids=lambda each: each[:30])
def test_yaml_in_the_documents_is_read_and_in_block_style(name: str, text: str) -> None:
    document = strict_yaml.load(text)
    assert [line for line in text.splitlines() if _FLOW.match(line)] == []
    if isinstance(document, dict) and "tasks" in document:
        read_plan(document, runnable=False)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_link_leads_to_a_file(path: Path) -> None:
    links = [link for link in _LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert links == []
