"""Payloads encrypted before they leave this machine, by keys that the server does not have.

AES-256-GCM; each payload names its key, so a ring of keys reads what older ones have written.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from activities.system.atomic_write import write_atomically
from epw.core.errors import Unavailable
from epw.core.extras import missing_extra
from epw.service.encrypted import ENCODING, ENCRYPTED, KEY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EXTRA = "encryption"
_KEY_BYTES, _NONCE_BYTES = 32, 12


@dataclass(frozen=True)
class KeyRing:
    """Keys by name, in the order of their file: the first encrypts, all of them decrypt.

    A line of the file is a key's name and its 32 bytes in base64; what follows `#` is a comment.
    """

    file: Path
    keys: dict[str, bytes]

    @classmethod
    def read(cls, file: Path) -> KeyRing:
        """Raise `Unavailable` for a file that is missing, open to others, or no ring of keys."""
        remedy = "make one with `epw codec --new-key`, or unset EPW_PAYLOAD_KEYS"
        try:
            status, lines = file.stat(), file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise Unavailable(f"the keys in {file} cannot be read ({why}): {remedy}") from None
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
            raise Unavailable(
                f"the keys in {file} are open to others: chmod 600 {file} (and chown, if it is not yours)"
            )
        keys = {}
        for number, line in enumerate(lines, start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            key = _key(words[1]) if len(words) == 2 else None
            if key is None or words[0] in keys:
                raise Unavailable(f"{file}:{number} is not a name of its own and 32 bytes in base64: {remedy}")
            keys[words[0]] = key
        if not keys:
            raise Unavailable(f"{file} has no key: {remedy}")
        return cls(file, keys)

    @property
    def first(self) -> str:
        """Name of the key that encrypts."""
        return next(iter(self.keys))

    @staticmethod
    def add_key(file: Path) -> str:
        """Put a new key before those of a file, which is made where there is none; the key's name."""
        others = KeyRing.read(file).keys if file.exists() else {}
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(2).hex()}"
        rows = {name: os.urandom(_KEY_BYTES), **others}
        text = "".join(f"{each} {base64.b64encode(key).decode()}\n" for each, key in rows.items())
        write_atomically(file, text.encode())
        return name


def _key(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


class EncryptedPayloads(PayloadCodec):
    """Codec of a ring of keys; what is not encrypted, as the plain `temporal` CLI sends it, is read as it is."""

    def __init__(self, ring: KeyRing) -> None:
        """Raise `Unavailable` where the extra is not installed."""
        if lacks := missing_extra("encryption of payloads", EXTRA, "cryptography"):
            raise Unavailable(lacks)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.ring = ring
        self._ciphers: dict[str, AESGCM] = {name: AESGCM(key) for name, key in ring.keys.items()}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raise `Unavailable` for a payload of a key that the ring has not, or that was changed."""
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        name, nonce = self.ring.first.encode(), os.urandom(_NONCE_BYTES)
        data = self._ciphers[self.ring.first].encrypt(nonce, payload.SerializeToString(), name)
        return Payload(metadata={ENCODING: ENCRYPTED, KEY: name}, data=nonce + data)

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get(ENCODING) != ENCRYPTED:
            return payload
        from cryptography.exceptions import InvalidTag

        name = payload.metadata.get(KEY, b"")
        cipher = self._ciphers.get(name.decode(errors="replace"))
        if cipher is None:
            known, missing = ", ".join(self.ring.keys), name.decode(errors="replace")
            remedy = f"{self.ring.file} has {known}: add that key to it"
            raise Unavailable(f"a payload is encrypted by key {missing}; {remedy}")
        nonce, data = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, data, name))
        except InvalidTag:
            why = "its key was another one, or it was changed"
            raise Unavailable(f"a payload of key {name.decode()} does not decrypt: {why}") from None
