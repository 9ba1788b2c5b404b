"""Text of a plan document, as a file that people read and edit."""

from __future__ import annotations

import re
from typing import Any

import yaml

_LINE_ENDS_OF_YAML = re.compile("[\r\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Dumper of plans: texts of several lines stand as they are, and equal values are written out each time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Quoted, YAML keeps what it would else take for the end of a line.
    style = '"' if _LINE_ENDS_OF_YAML.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def plan_text(document: dict[str, Any]) -> str:
    """The document as YAML, its keys in their order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
