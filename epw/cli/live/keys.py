"""Keys of a terminal, from the bytes that it sends."""

from __future__ import annotations

import codecs
import re

_NAMES = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "[H": "home",
    "[F": "end",
    "OH": "home",
    "OF": "end",
    "[1~": "home",
    "[4~": "end",
    "[5~": "page-up",
    "[6~": "page-down",
    "[3~": "delete",
}
_CONTROLS = {
    "\x01": "home",
    "\x03": "ctrl-c",
    "\x05": "end",
    "\x08": "backspace",
    "\x09": "tab",
    "\x0a": "enter",
    "\x0c": "ctrl-l",
    "\x0d": "enter",
    "\x15": "ctrl-u",
    "\x17": "ctrl-w",
    "\x1a": "ctrl-z",
    "\x7f": "backspace",
}
_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(\[[0-9;?]*|O)?")
_PASTE, _PASTED = "\x1b[200~", "\x1b[201~"


class KeyDecoder:
    """Turns bytes into keys: names as `up` and `ctrl-c`, single characters, and what was pasted, after `paste:`."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    @property
    def is_within(self) -> bool:
        """Whether the beginning of a key has come, of which the rest may follow; else it was Escape."""
        return bool(self._rest) and not self._rest.startswith(_PASTE)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are whole now."""
        self._rest += self._text.decode(data)
        found = list[str]()
        while self._rest:
            if self._rest.startswith(_PASTE):
                pasted, end, rest = self._rest[len(_PASTE) :].partition(_PASTED)
                if not end:
                    break
                found.append(f"paste:{pasted}")
                self._rest = rest
            elif sequence := _SEQUENCE.match(self._rest):
                self._rest = self._rest[sequence.end() :]
                if name := _NAMES.get(sequence[1]):
                    found.append(name)
            elif _BEGUN.fullmatch(self._rest):
                break
            elif self._rest[0] == "\x1b":
                found.append("escape")
                self._rest = self._rest[1:]
            else:
                key, self._rest = self._rest[0], self._rest[1:]
                if key in _CONTROLS or key.isprintable():
                    found.append(_CONTROLS.get(key, key))
        return found

    def flush(self) -> list[str]:
        """The keys of what has come where no more follows."""
        rest, self._rest = self._rest, ""
        return ["escape", *(each for each in rest[1:] if each.isprintable())] if rest else []
