"""Redaction of secrets that must not be stored or shown: as they are, and in the usual encodings."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

_MIN_LENGTH = 4
_MIN_LINE = 16
_MIN_ENCODED = 8
"""Shorter pieces of an encoding occur by chance."""

# Characters that a tool may put between those of an encoding, when it breaks it into lines or bytes.
_BREAKS = b" \t\r\n"
_HEX_BREAKS = _BREAKS + rb":\x"


@dataclass(frozen=True)
class Secrets:
    """The byte strings to redact, with their replacements."""

    forms: tuple[tuple[bytes, bytes], ...]
    """Pairs of what is searched for and its replacement, the longest first."""
    broken: tuple[_Broken, ...] = ()
    """Encodings that tools break into pieces."""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Secrets:
        """Secrets from variables by name; a value shorter than 4 characters is none."""
        return cls.of_pairs(values.items())

    @classmethod
    def of_pairs(cls, values: Iterable[tuple[str, str]]) -> Secrets:
        """As `of`, where several values may have one name."""
        forms: dict[bytes, bytes] = {}
        broken: list[_Broken] = []
        for name, value in values:
            if len(value) >= _MIN_LENGTH:
                secret = value.encode("utf-8", "surrogateescape")
                replacement = f"[{name}]".encode()
                base64s = list(_base64s(secret))
                forms |= {form: replacement for form in (secret, *_encoded(secret), *base64s) if form not in forms}
                broken += [_Broken(form, replacement, _BREAKS) for form in base64s]
                broken.append(_Broken(secret.hex().encode(), replacement, _HEX_BREAKS))
        return cls(tuple(sorted(forms.items(), key=lambda item: -len(item[0]))), tuple(broken))

    def joined(self, other: Secrets) -> Secrets:
        """These secrets and others."""
        forms = {**dict(other.forms), **dict(self.forms)}
        ordered = tuple(sorted(forms.items(), key=lambda item: -len(item[0])))
        return Secrets(ordered, tuple(dict.fromkeys((*self.broken, *other.broken))))

    def redact(self, text: bytes) -> bytes:
        """The text with `[NAME]` in place of each secret."""
        for form, replacement in self.forms:
            text = text.replace(form, replacement)
        for breaks in (_BREAKS, _HEX_BREAKS):
            joined = text.translate(None, breaks)
            for each in self.broken:
                if each.breaks == breaks and each.is_in(joined):
                    text = each.pattern.sub(each.replacement, text)
        return text

    def redact_text(self, text: str) -> str:
        """As `redact`, for a string; unpaired surrogates stay as they are."""
        return self.redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class _Broken:
    """An encoding that may have characters of `breaks` between its own; hexadecimal digits in either case."""

    form: bytes
    replacement: bytes
    breaks: bytes

    def is_in(self, joined: bytes) -> bool:
        """Whether a text without `breaks` holds it: a quick check before the slow pattern."""
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
    """The secret as it stands in a URL or form, in a JSON string, and each of its long lines."""
    for form in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield form.encode()
        yield re.sub("%..", lambda found: found[0].lower(), form).encode()
    yield json.dumps(secret.decode("utf-8", "replace"))[1:-1].encode()
    yield json.dumps(secret.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode()
    lines = secret.splitlines()
    yield from (line for line in lines if len(lines) > 1 and len(line) >= _MIN_LINE)


def _base64s(secret: bytes) -> Iterator[bytes]:
    """The secret inside a longer base64 text: one form for each of the three positions in a group of bytes."""
    for shift in range(3):
        # The first and last characters depend on the neighbouring bytes as well: they are left out.
        begin = -(-shift * 4 // 3)
        whole = base64.b64encode(b"\0" * shift + secret).rstrip(b"=")
        end = len(whole) if (shift + len(secret)) % 3 == 0 else len(whole) - 1
        if end - begin >= _MIN_ENCODED:
            yield whole[begin:end]
            yield base64.urlsafe_b64encode(b"\0" * shift + secret)[begin:end]
