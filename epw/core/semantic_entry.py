"""Entry of a semantic conflict: what was changed, where it is used, by which tasks, and the renames that settle it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from epw.core.plan.parts import Message


class UsePlace(Message):
    """A use of a name. `side`: `ours` has landed, `theirs` is to land; `task`: None where no task is known."""

    file: str
    line: int
    task: str | None = None
    side: str = "theirs"


class DefinitionPlace(UsePlace):
    """What a side has changed; the line of what is gone is that of the version before.

    `change`: `removed`, `renamed`, `moved`, `changed` or `added`.
    """

    change: str
    new_name: str | None = None
    new_file: str | None = None


class SemanticEntry(Message):
    """One use that does not fit a definition any more.

    `definition`: None where a checker does not tell what its message comes from. `message`: of the checker, or of the
    comparison of symbols and names where `checker` is None.
    """

    symbol: str
    definition: DefinitionPlace | None = None
    use: UsePlace
    checker: str | None = None
    rule: str | None = None
    message: str = ""

    def document(self) -> dict[str, Any]:
        """As results show it: without what is not known, but for the task."""
        shown = self.model_dump(by_alias=True, exclude_none=True)
        for name in ("use", "definition"):
            if (place := getattr(self, name)) is not None:
                shown[name]["task"] = place.task
        return shown


class RenamedUses(Message):
    """Lines of a file, as merged, in which uses follow a rename."""

    file: str
    lines: list[int] = Field(default_factory=list)


class Rename(Message):
    """A definition that one side has renamed, and the uses of the other side that follow it."""

    symbol: str
    new_name: str
    file: str
    """The file of the definition."""
    side: str
    """The side that renamed it."""
    uses: list[RenamedUses] = Field(default_factory=list)
