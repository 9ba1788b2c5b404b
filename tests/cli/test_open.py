"""`open` leads to Temporal's Web UI: an execution, and lists that the server itself finds by the query."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.command_line import Cli, line_with, stop, wait_for
from tests.support import tasks
from tests.whole.test_documents import ROOT

_QUERY = re.compile(r"^\| (.*) \| `(.*Epw.*)` \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("open") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


def found(cli: Cli, *options: str) -> list[str]:
    return found_by(cli, parse_qs(urlsplit(cli.json("open", *options)["url"]).query)["query"][0])


def found_by(cli: Cli, query: str) -> list[str]:
    listed = json.loads(cli.temporal_cli("workflow", "list", "--query", query))
    return sorted(each["execution"]["workflowId"] for each in listed)


def is_found(cli: Cli, query: str, ids: list[str]) -> bool:
    return found_by(cli, query) == ids


def test_an_execution_and_lists_of_them_are_found(up: Cli) -> None:
    bad = {"id": "b", "simulate": {"failAttempts": [1, 2, 3, 4]}}
    rows = tasks({"id": "a", "simulate": {"seconds": 0.01}}, bad)
    said = up("run", up.plan({"tasks": rows, "strategy": "aggressive"}), "--id", "some/part", code=1).stdout
    up.execute(up.plan({"tasks": rows[:1]}), "whole")
    asks = tasks({"id": "a", "simulate": {"ask": "now?"}})
    up("start", up.plan({"tasks": asks}), "--id", "asks")
    url = up("open", "some/part").stdout.strip()
    assert f"Temporal Web UI (while this command or another runs): {url}" in said
    assert "/workflows/some%2Fpart/" in url
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
        assert b"<html" in answer.read()
    # The server's lists follow with some delay.
    assert wait_for(lambda: found(up, "--status", "partial")) == ["some/part"]
    assert wait_for(lambda: found(up, "--waiting")) == ["asks"]
    assert found(up) == ["asks", "some/part", "whole"]
    up("pause", "asks")
    saved = dict(_QUERY.findall((ROOT / "docs/operations.md").read_text()))
    finds = {
        "waits for a person": ["asks"],
        "is paused": ["asks"],
        "waits for a worker: of its host, with its labels, of its version": [],
        "waits for an account's limit": [],
        "ended with a part": ["some/part"],
        "ended with nothing delivered": [],
        "is to be finished by hand": [],
        "tasks have failed or conflict": ["some/part"],
    }
    assert list(saved) == list(finds)
    for name, expected in finds.items():
        assert wait_for(partial(is_found, up, saved[name], expected)), name
    up("cancel", "asks")


def test_what_cannot_be_opened_is_said(up: Cli) -> None:
    assert "no execution" in up("open", "nobody", code=2).stderr
    assert "did you mean partial" in up("open", "--status", "parital", code=2).stderr
    assert "give an ID, or" in up("open", "x", "--waiting", code=2).stderr


def test_the_web_ui_of_ones_own_server_is_named_by_a_setting(up: Cli) -> None:
    note = json.loads((up.home / "server/server.json").read_text())
    own = {"TEMPORAL_ADDRESS": note["address"], "TEMPORAL_NAMESPACE": note["namespace"]}
    assert "set EPW_WEB_UI" in Cli(up.home, up.temporal, own)("open", code=2).stderr
    named = Cli(up.home, up.temporal, {**own, "EPW_WEB_UI": "https://temporal.example.org/"})
    expected = f"https://temporal.example.org/namespaces/{note['namespace']}/workflows?query="
    assert named("open").stdout.startswith(expected)
