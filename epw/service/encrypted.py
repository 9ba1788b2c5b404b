"""Marks of encrypted payloads, by which one is known without any key."""

from __future__ import annotations

from temporalio.api.common.v1 import Payload

ENCODING, KEY = "encoding", "epw-key"
"""Names of metadata."""
ENCRYPTED = b"binary/encrypted"


def no_keys(payload: Payload) -> str:
    """What a user without any key is told of an encrypted payload."""
    key = payload.metadata.get(KEY, b"").decode(errors="replace")
    return f"a payload is encrypted by key {key}: export EPW_PAYLOAD_KEYS=FILE, the file of keys that has it"
