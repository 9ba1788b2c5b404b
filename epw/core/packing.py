"""Packed values: JSON too large for a message of Temporal, compressed into a text."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

MAX_BYTES = 100_000_000
"""Of the JSON: what unpacks to more is refused."""


def pack(text: bytes) -> str:
    """JSON as a text that is shorter."""
    return base64.b64encode(zlib.compress(text, 9)).decode()


def unpack(text: Any) -> Any:
    """The value of a text that `pack` has made; raises `ValueError` for any other."""
    try:
        reader = zlib.decompressobj()
        found = reader.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
        if not reader.eof:
            raise ValueError(f"cut off, or larger than {MAX_BYTES} bytes")
        return json.loads(found)
    except (TypeError, zlib.error) as error:
        raise ValueError(str(error)) from None
