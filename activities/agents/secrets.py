"""Secrets that must not be stored or shown: found in any text, as they are and in the usual encodings."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

_MIN_LENGTH = 4
_MIN_LINE = 16
_MIN_ENCODED = 8
"""Shorter pieces of an encoding occur by chance."""


# Between the characters of an encoding that a tool has broken into lines or bytes.
_BREAKS = b" \t\r\n"
_HEX_BREAKS = _BREAKS + rb":\x"


@dataclass(frozen=True)
class Secrets:
    forms: tuple[tuple[bytes, bytes], ...]
    """What is looked for, the longest first, and what is to stand in its place."""
    broken: tuple[_Broken, ...] = ()
    """Of these the encodings that tools break into pieces."""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Secrets:
        """Of variables by name; values of less than 4 characters are no secrets."""
        forms: dict[bytes, bytes] = {}
        broken: list[_Broken] = []
        for name, value in values.items():
            if len(value) >= _MIN_LENGTH:
                secret = value.encode("utf-8", "surrogateescape")
                instead = f"[{name}]".encode()
                base64s = list(_base64s(secret))
                forms |= {form: instead for form in (secret, *_encoded(secret), *base64s) if form not in forms}
                broken += [_Broken(form, instead, _BREAKS) for form in base64s]
                broken.append(_Broken(secret.hex().encode(), instead, _HEX_BREAKS))
        return cls(tuple(sorted(forms.items(), key=lambda item: -len(item[0]))), tuple(broken))

    def hidden(self, text: bytes) -> bytes:
        """The text with each secret's name in its place."""
        for form, instead in self.forms:
            text = text.replace(form, instead)
        for breaks in (_BREAKS, _HEX_BREAKS):
            joined = text.translate(None, breaks)
            for each in self.broken:
                if each.breaks == breaks and each.is_in(joined):
                    text = each.pattern.sub(each.instead, text)
        return text


@dataclass(frozen=True)
class _Broken:
    """An encoding with anything of `breaks` between its characters; hexadecimal digits in either case."""

    form: bytes
    instead: bytes
    breaks: bytes

    def is_in(self, joined: bytes) -> bool:
        """Whether it is in a text without `breaks`: asked first, since the pattern takes its time."""
        return self.form in (joined.lower() if self._is_hex else joined)

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        between = b"[" + re.escape(self.breaks) + b"]*"
        parts = (re.escape(self.form[at : at + 1]) for at in range(len(self.form)))
        return re.compile(between.join(parts), re.IGNORECASE if self._is_hex else 0)

    @property
    def _is_hex(self) -> bool:
        return self.breaks == _HEX_BREAKS


def _encoded(secret: bytes) -> Iterator[bytes]:
    """In a URL or form, as a JSON string, line by line."""
    for form in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield form.encode()
        yield re.sub("%..", lambda found: found[0].lower(), form).encode()
    yield json.dumps(secret.decode("utf-8", "replace"))[1:-1].encode()
    yield json.dumps(secret.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode()
    lines = secret.splitlines()
    yield from (line for line in lines if len(lines) > 1 and len(line) >= _MIN_LINE)


def _base64s(secret: bytes) -> Iterator[bytes]:
    """Wherever it begins in a base64 text."""
    for shift in range(3):
        # What its first and last characters make depends on what stands beside it.
        begin = -(-shift * 4 // 3)
        whole = base64.b64encode(b"\0" * shift + secret).rstrip(b"=")
        end = len(whole) if (shift + len(secret)) % 3 == 0 else len(whole) - 1
        if end - begin >= _MIN_ENCODED:
            yield whole[begin:end]
            yield base64.urlsafe_b64encode(b"\0" * shift + secret)[begin:end]
