"""Untracked files that look like secrets: no agent sees them, no branch gets them, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.git.secret_files import advice, looks_secret
from activities.git.traits import traits
from activities.git.workspace import Workspace
from epw.client.start import check_runnable
from epw.core.plan.validate import read_plan
from tests.support import Harness, fingerprint, make_repository, sh, tasks

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
TOKEN = "//registry.example.org/:_authToken=npm_0123456789abcdef\n"


@pytest.mark.parametrize(
    ("path", "content", "is_secret"),
    [
        (".env", "PORT=1\n", True),
        ("deploy/.env.production", "", True),
        (".env.example", "TOKEN=abcdefghijkl\n", False),
        ("environment.py", "", False),
        ("id_rsa", "", True),
        ("id_rsa.pub", KEY, False),
        ("tls/server.pem", KEY, True),
        ("tls/ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n", False),
        ("talk.key", "a presentation", False),
        (".npmrc", TOKEN, True),
        (".npmrc", "//registry.example.org/:_authToken=${NPM_TOKEN}\n", False),
        (".npmrc", "save-exact=true\n", False),
        (".pypirc", "[pypi]\nusername = __token__\npassword = pypi-0123456789\n", True),
        ("credentials.json", '{"installed": {"client_secret": "GOCSPX-0123456789"}}', True),
        ("credentials.json", '{"token_uri": "https://example.org/token"}', False),
        ("config/secrets.yaml", "db:\n  password: hunter2\n", True),
        ("secrets.py", "token = make_token()\n", False),
        ("app/Credentials.java", "class Credentials {}\n", False),
    ],
)
def test_a_secret_is_known_by_its_name_and_where_that_says_little_by_its_content(
    path: str, content: str, is_secret: bool
) -> None:
    assert looks_secret(path, content.encode) is is_secret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = make_repository(tmp_path / "repo", {".gitignore": "*.log\n!kept.env\n", "a.txt": "a\n"})
    written = {
        ".env": "SECRET=1\n",
        "tls/[x] key.pem": KEY,
        ".npmrc": TOKEN,
        "kept.env": "K=1\n",
        "staged.env": "S=1\n",
    }
    for name, content in {**written, "notes.txt": "mine\n"}.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(content)
    sh(path, "git", "add", "staged.env")
    return path


async def test_untracked_secrets_reach_agents_by_include_alone_and_branches_never(harness: Harness, path: Path) -> None:
    before = fingerprint(path, but=(".git/",))
    look = "{ find . -type f -not -path './.git/*' | sort; git status --short | grep -v env.local || true; }"
    run = f"echo X=1 > .env.local; {look} > ../seen; mv ../seen seen"
    plan = {"workspace": str(path), "include": [".env"], "tasks": tasks({"id": "a", "run": run})}
    document = await harness.run(plan)
    branch = document["delivery"]["branch"]
    seen = [".env", ".env.local", ".gitignore", "a.txt", "kept.env", "notes.txt", "staged.env"]
    assert sh(path, "git", "show", f"{branch}:seen").splitlines() == [f"./{each}" for each in seen]
    assert sh(path, "git", "ls-tree", "-r", "--name-only", branch).splitlines() == sorted({*seen[1:], "seen"})
    (warning,) = document["delivery"]["warnings"]
    assert warning.startswith("left out: .npmrc, tls/[x] key.pem: untracked")
    (made,) = document["results"][0]["warnings"]
    assert made.startswith("adds .env.local, secret by name or content")
    assert fingerprint(path, but=(".git/",)) == before


@pytest.mark.parametrize(
    ("included", "named"),
    [(["./.env"], "a/.env, a/.envrc:"), (["a"], ".env:"), (["a/.env"], ".env, a/.envrc:"), (["."], None)],
)
def test_what_the_plan_includes_is_not_said_to_be_left_out(included: list[str], named: str | None) -> None:
    told = advice([".env", "a/.env", "a/.envrc"], included)
    assert [each.startswith(f"left out: {named}") for each in told] == ([True] if named else [])
    # A sandbox may well let it read the file where it is.
    assert not any("no agent and" in each for each in told)


def test_they_are_named_before_the_start(path: Path) -> None:
    (note,) = check_runnable(read_plan({"workspace": str(path), "tasks": tasks({"id": "a", "run": "true"})}))
    assert all(each in note for each in ("warning: left out: .env, .npmrc, tls/[x] key.pem", ".gitignore", "`include`"))
    found = {each.name: each.found for each in traits(Workspace.read(str(path)))}
    assert found["untracked secrets"] == ".env, .npmrc, tls/[x] key.pem"
    assert found["untracked"] == "kept.env, notes.txt"


async def test_a_work_tree_that_is_delivered_into_keeps_them(harness: Harness, path: Path) -> None:
    plan = {"workspace": str(path), "deliver": "apply", "tasks": tasks({"id": "a", "run": "echo b > a.txt"})}
    document = await harness.run(plan)
    assert (document["status"], (path / "a.txt").read_text(), (path / ".env").read_text()) == (
        *("succeeded", "b\n"),
        "SECRET=1\n",
    )
