"""`codec`: keys that encrypt payloads, and the server that decrypts them for the Web UI."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from epw.cli.offline import run_offline
from epw.core.errors import InvalidRequest, Unavailable
from epw.core.extras import missing_extra
from epw.service.embedded import running_server
from epw.service.payload_encryption import EXTRA, EncryptedPayloads, KeyRing
from epw.settings import Settings


def codec(
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Put a new key first in the file that EPW_PAYLOAD_KEYS names, and exit.")
    ] = False,
    origin: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the Web UI whose pages may ask.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8081,
) -> None:
    """Decrypt payloads for Temporal's Web UI and CLI until Ctrl-C; see docs/encryption.md."""

    async def command(settings: Settings) -> int:
        file = settings.payload_keys
        if file is None:
            raise InvalidRequest("EPW_PAYLOAD_KEYS names no file of keys: export EPW_PAYLOAD_KEYS=~/.config/epw/keys")
        if missing := missing_extra("`epw codec`", EXTRA, "cryptography", "uvicorn"):
            raise Unavailable(missing)
        if new_key:
            name = KeyRing.add_key(file)
            print(f"{name} is the first key in {file}. Copy the file to every machine that has a worker or runs `epw`")
            print("before one of them is started with it: what this key has encrypted, only this key decrypts.")
            return 0
        keys = EncryptedPayloads(KeyRing.read(file))
        # Here: a web server takes long to import.
        from epw.service.codec_server import serve_codec

        await serve_codec(keys, settings.state, _origin(origin or _web_ui(settings)), port)
        return 0

    run_offline(command)


def _web_ui(settings: Settings) -> str | None:
    server = running_server(settings.state.server)
    return settings.web_ui or (server.web_ui if server else None)


def _origin(address: str | None) -> str | None:
    """Scheme, host and port of an address."""
    if address is None:
        return None
    parts = urlsplit(address)
    if not parts.scheme or not parts.netloc:
        raise InvalidRequest(f"--origin {address} is no address like https://temporal.example.org")
    return f"{parts.scheme}://{parts.netloc}"
