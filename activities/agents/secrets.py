"""Secrets that must not be stored or shown: found in any text, as they are and in the usual encodings."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

_MIN_LENGTH = 4
_MIN_LINE = 16
_MIN_ENCODED = 8
"""Shorter pieces of an encoding occur by chance."""


@dataclass(frozen=True)
class Secrets:
    forms: tuple[tuple[bytes, bytes], ...]
    """What is looked for, the longest first, and what is to stand in its place."""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Secrets:
        """Of variables by name; values of less than 4 characters are no secrets."""
        forms: dict[bytes, bytes] = {}
        for name, value in values.items():
            if len(value) >= _MIN_LENGTH:
                secret = value.encode("utf-8", "surrogateescape")
                forms |= {form: f"[{name}]".encode() for form in (secret, *_encoded(secret)) if form not in forms}
        return cls(tuple(sorted(forms.items(), key=lambda item: -len(item[0]))))

    def hidden(self, text: bytes) -> bytes:
        """The text with each secret's name in its place."""
        for form, instead in self.forms:
            text = text.replace(form, instead)
        return text


def _encoded(secret: bytes) -> Iterator[bytes]:
    """As hexadecimal digits, in a URL or form, as a JSON string, line by line, wherever it begins in a base64 text.

    Not where a tool breaks an encoding into lines.
    """
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for form in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield form.encode()
        yield re.sub("%..", lambda found: found[0].lower(), form).encode()
    yield json.dumps(secret.decode("utf-8", "replace"))[1:-1].encode()
    yield json.dumps(secret.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode()
    lines = secret.splitlines()
    yield from (line for line in lines if len(lines) > 1 and len(line) >= _MIN_LINE)
    for shift in range(3):
        # What its first and last characters make depends on what stands beside it.
        begin = -(-shift * 4 // 3)
        whole = base64.b64encode(b"\0" * shift + secret).rstrip(b"=")
        end = len(whole) if (shift + len(secret)) % 3 == 0 else len(whole) - 1
        if end - begin >= _MIN_ENCODED:
            yield whole[begin:end]
            yield base64.urlsafe_b64encode(b"\0" * shift + secret)[begin:end]
