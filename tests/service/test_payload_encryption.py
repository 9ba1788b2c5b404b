"""Payloads encrypted by the user's keys: nothing of a plan is readable on the server, commands read all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from epw.core.errors import Unavailable
from epw.service.payload_encryption import EncryptedPayloads, KeyRing
from tests.command_line import ROOT, Cli
from tests.support import tasks

CANARIES = [f"canary-of-{name}-7f3a" for name in ("description", "context", "progress", "output", "name")]
COMMANDS = ("status", "retry", "logs")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    KeyRing.add_key(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def cli(tmp_path: Path, temporal_binary: str, keys: Path) -> Cli:
    return Cli(tmp_path / "home", temporal_binary, {"EPW_PAYLOAD_KEYS": str(keys)})


def test_nothing_of_a_plan_is_in_the_server_s_files_and_commands_read_all_of_it(cli: Cli, keys: Path) -> None:
    description, context, progress, output, name = CANARIES
    event = json.dumps({"progress": {"percent": 40, "operation": progress}})
    failing = {
        "id": "a",
        "description": description,
        "context": {"text": context},
        "run": f"echo '{event}' >> \"$EPW_EVENTS\"; echo {output}; false",
    }
    rows = tasks(failing, {"id": "b", "run": "true", "dependsOn": ["a"]})
    cli("run", cli.plan({"name": name, "tasks": rows, "strategy": "aggressive"}), "--id", "secret", code=1)
    stored = b"".join(path.read_bytes() for path in (cli.home / "server").iterdir() if path.is_file())
    assert b"task-a" in stored
    assert [canary for canary in CANARIES if canary.encode() in stored] == []
    first = KeyRing.read(keys).first
    KeyRing.add_key(keys)
    document = cli.json("status", "secret", code=None)
    assert {row["taskId"]: row["status"] for row in document["results"]} == {"a": "failed", "b": "skipped"}
    assert output in json.dumps(document)
    assert cli.json("doctor", "secret")["violations"] == []
    for command in COMMANDS:
        done = replace(cli, environment={})(command, "secret", code=3)
        said = (
            f"epw: a payload is encrypted by key {first}: export EPW_PAYLOAD_KEYS=FILE, the file of keys that has it\n"
        )
        assert done.stderr == said, command


def test_payloads_are_read_by_older_keys_and_written_by_the_newest(keys: Path) -> None:
    old = EncryptedPayloads(KeyRing.read(keys))
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"text"')
    newest = KeyRing.add_key(keys)
    new = EncryptedPayloads(KeyRing.read(keys))
    written = new._encrypted(payload)
    assert (b"text" in written.data, written.metadata["epw-key"]) == (False, newest.encode())
    assert [new._decrypted(each) for each in (old._encrypted(payload), written, payload)] == [payload] * 3
    with pytest.raises(Unavailable, match="add that key to it"):
        old._decrypted(written)
    written.data = written.data[:-1] + bytes([written.data[-1] ^ 1])
    with pytest.raises(Unavailable, match="was changed"):
        new._decrypted(written)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("", 0o600, "has no key"),
        ("k1 abc\n", 0o600, ":1 is not a name"),
        ("# made by hand\nk1\n", 0o600, ":2 is not a name"),
        ("k1 " + "A" * 43 + "=\n", 0o644, "open to others: chmod 600"),
    ],
)
def test_a_file_that_is_no_ring_of_keys_is_named(tmp_path: Path, content: str, mode: int, said: str) -> None:
    (tmp_path / "keys").write_text(content)
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(Unavailable, match=said):
        KeyRing.read(tmp_path / "keys")


def test_a_missing_file_ends_a_command_before_anything_ran(cli: Cli, keys: Path) -> None:
    elsewhere = replace(cli, environment={"EPW_PAYLOAD_KEYS": f"{keys}-2"})
    said = elsewhere("run", cli.plan({"tasks": tasks({"id": "a", "run": "true"})}), code=3).stderr
    assert "epw codec --new-key" in said
    assert not (cli.home / "server").exists()
    assert "is the first key" in elsewhere("codec", "--new-key").stdout
    assert len(KeyRing.read(Path(f"{keys}-2")).keys) == 1


def test_the_codec_server_decrypts_for_the_page_of_the_web_ui_alone(cli: Cli, keys: Path) -> None:
    origin = "https://temporal.example.org"
    argv = [sys.executable, str(ROOT / "starter.py"), "codec", "--port", "0", "--origin", f"{origin}/namespaces"]
    env = {**cli.env, "PYTHONPATH": os.fspath(ROOT)}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[2].rstrip(",")
        payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"text"')

        def ask(path: str, *payloads: Payload, **headers: str) -> Any:
            body = json_format.MessageToJson(Payloads(payloads=payloads)).encode()
            try:
                with urlopen(Request(address + path, body, {"Content-Type": "application/json", **headers})) as answer:
                    found = json_format.Parse(answer.read(), Payloads())
                    return found.payloads[0], answer.headers["Access-Control-Allow-Origin"]
            except HTTPError as error:
                return error.code

        encrypted = EncryptedPayloads(KeyRing.read(keys))._encrypted(payload)
        assert ask("/decode", encrypted, Origin=origin) == (payload, origin)
        assert ask("/decode", ask("/encode", payload)[0])[0] == payload
        assert ask("/decode", encrypted, Origin="https://evil.example.org") == 403
        assert ask("/decode", encrypted, Host="evil.example.org") == 403
        assert ask("/decode", Payload(metadata={"encoding": b"binary/encrypted", "epw-key": b"k"})) == 400
        assert ask("/elsewhere", encrypted) == 404
        process.terminate()
