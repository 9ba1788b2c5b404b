"""A line that is being typed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Typed:
    """Text and the place of the cursor in it."""

    text: str = ""
    at: int = 0

    def after(self, key: str) -> Typed:
        """The line after a key; keys that are none of a line's leave it as it is."""
        before, rest = self.text[: self.at], self.text[self.at :]
        if key.startswith("paste:"):
            return self._insert(" ".join(key.removeprefix("paste:").split("\n")))
        if len(key) == 1:
            return self._insert(key)
        match key:
            case "backspace":
                return Typed(before[:-1] + rest, max(0, self.at - 1))
            case "delete":
                return Typed(before + rest[1:], self.at)
            case "ctrl-u":
                return Typed(rest, 0)
            case "ctrl-w":
                kept = before.rstrip().rpartition(" ")
                kept_text = kept[0] + kept[1]
                return Typed(kept_text + rest, len(kept_text))
            case "left":
                return Typed(self.text, max(0, self.at - 1))
            case "right":
                return Typed(self.text, min(len(self.text), self.at + 1))
            case "home":
                return Typed(self.text, 0)
            case "end":
                return Typed(self.text, len(self.text))
        return self

    def _insert(self, text: str) -> Typed:
        clean = "".join(each for each in text if each.isprintable())
        return Typed(self.text[: self.at] + clean + self.text[self.at :], self.at + len(clean))
