"""A secret is found in whatever it was encoded, and wherever it stands."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from activities.agents.secrets import Secrets
from tests.support import Harness, make_repository, tasks

VALUE = "s3cr3t-canary/+ü"
RAW = VALUE.encode()


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, bytes.hex, quote, bytes])
def test_a_secret_is_hidden_in_every_usual_encoding(before: int, after: int, encode: object) -> None:
    made = encode(b"x" * before + RAW + b"y" * after)  # type: ignore[operator]
    text = made if isinstance(made, bytes) else made.encode()
    hidden = Secrets.of({"TOKEN": VALUE}).redact(text)
    assert b"[TOKEN]" in hidden
    # Of base64 a character at either end may be left.
    assert len(hidden) <= len(b"[TOKEN]") + 2 * (before + after) + 8


def test_the_longest_secret_is_hidden_first_and_short_values_are_none() -> None:
    secrets = Secrets.of({"A": "abcdef", "B": "abcdefgh", "C": "abc"})
    assert secrets.redact(b"abcdefgh abcdef abc") == b"[B] [A] abc"


@pytest.mark.parametrize(
    "text", ["pa%20ss%2fw%2bord%22q", "pa+ss%2Fw%2Bord%22q", 'pa ss/w+ord\\"q', "70612073732F772B6F72642271"]
)
def test_a_secret_is_hidden_in_forms_and_json(text: str) -> None:
    assert Secrets.of({"T": 'pa ss/w+ord"q'}).redact(text.encode()) == b"[T]"


@pytest.mark.parametrize("tool", ["base64 -w 20", "base64 -w 7", "xxd -p -c 7", "xxd -p -u -c 11", "od -An -v -tx1"])
@pytest.mark.parametrize("before", range(3))
def test_an_encoding_that_is_broken_into_lines_is_hidden(tool: str, before: int) -> None:
    argv = tool.split()
    if shutil.which(argv[0]) is None:
        pytest.skip(f"no {argv[0]}")
    value = "a value that is longer than a line, ~~~ and ends"
    text = b"x" * before + value.encode() + b"yz"
    printed = subprocess.run(argv, input=text, capture_output=True, check=True).stdout
    hidden = Secrets.of({"TOKEN": value}).redact(b"first line\n" + printed)
    assert hidden.startswith(b"first line\n")
    assert hidden.count(b"[TOKEN]") == 1
    # Of base64 a character at either end may be left.
    assert len(hidden.partition(b"\n")[2]) <= len(b"[TOKEN]") + 4 * (before + 2) + 8


def test_what_looks_like_the_middle_of_an_encoding_stays() -> None:
    text = b"7365 6372 65\n" + base64.b64encode(b"another value") + b"\n"
    assert Secrets.of({"TOKEN": VALUE}).redact(text) == text


def test_each_long_line_of_a_secret_is_hidden() -> None:
    secret = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7x\nshort\n-----END KEY-----"
    assert b"MIIE" not in Secrets.of({"PEM": secret}).redact(b"a MIIEpAIBAAKCAQEA7x b")


async def test_a_log_is_kept_without_the_variables_that_were_passed_on(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", VALUE)
    repository = make_repository(tmp_path / "repo")
    run = 'echo "$TOKEN"; printf %s "$TOKEN" | base64; echo "$HOME"; test -n "$TOKEN"'
    plan = {"workspace": str(repository), "passEnv": ["TOKEN"], "tasks": tasks({"id": "a", "run": run})}
    assert (await harness.run(plan))["status"] == "succeeded"
    (log,) = harness.home.glob("executions/*/*/logs/a-*.log")
    printed = log.read_text().splitlines()
    assert printed[:2] == ["[TOKEN]", "[TOKEN]" + printed[1].removeprefix("[TOKEN]")]
    assert base64.b64encode(RAW)[:12].decode() not in log.read_text()
