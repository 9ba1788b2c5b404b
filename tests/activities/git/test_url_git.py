"""Git that speaks with a URL: the user's credentials, no questions, and words for what went wrong."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from activities.git.hub import Hub
from activities.git.url_git import UrlGit
from activities.git.url_refs import UrlRefs
from epw.core.errors import UrlAway, UrlDenied, UrlMoved, UrlRefuses
from tests.git_servers import HttpServer, free_port
from tests.repositories import bare_repository
from tests.support import sh

CANARY = "swordfish-4711"


def hub_of(folder: Path) -> Hub:
    return Hub.created(folder / "hub.git")


def refs_of(folder: Path, origin: Path) -> UrlRefs:
    """What a host keeps in a folder of the refs `refs/epw/x` of a repository."""
    folder.mkdir(exist_ok=True)
    hub = hub_of(folder)
    return UrlRefs(hub, UrlGit(hub.path, f"file://{origin}"), "refs/epw/x", "refs/epw/x", folder / "lock")


def commit_on(hub: Hub, text: str) -> str:
    return hub.commit(hub.empty_tree(), [], text, None, 0)


def test_nobody_answers_is_told_from_nobody_lets_in(tmp_path: Path) -> None:
    hub = hub_of(tmp_path).path
    with pytest.raises(UrlAway, match="broke off"):
        UrlGit(hub, f"http://127.0.0.1:{free_port()}/x.git").refs()
    with pytest.raises(UrlDenied, match="git ls-remote"):
        UrlGit(hub, f"file://{tmp_path}/nowhere.git").refs()
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(UrlAway):
        UrlGit(hub, f"http://127.0.0.1:{free_port()}/x.git", given_up).refs()


async def test_a_password_comes_from_a_helper_and_is_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_repository(tmp_path, {"a": "1\n"})
    sh(tmp_path / "origin.git", "git", "config", "http.receivepack", "true")
    hub, settings = hub_of(tmp_path).path, tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    async with HttpServer(tmp_path, "ada", CANARY).serving() as address:
        url = UrlGit(hub, f"{address}/origin.git")
        with pytest.raises(UrlDenied, match="nobody is asked for a password"):
            await asyncio.to_thread(url.refs)
        settings.write_text(f'[credential]\n\thelper = "!f() {{ echo username=ada; echo password={CANARY}; }}; f"\n')
        assert "refs/heads/main" in await asyncio.to_thread(url.refs)
        settings.write_text(f'[url "http://ada:{CANARY}@{address[7:]}/no"]\n\tinsteadOf = {address}/origin\n')
        with pytest.raises(UrlDenied) as raised:
            await asyncio.to_thread(url.refs)
    assert CANARY not in str(raised.value)


def test_another_protocol_is_not_spoken_whatever_a_setting_makes_of_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        '[url "ext::sh -c touch% MARK% #"]\n\tinsteadOf = https://example.org/\n'.replace("MARK", f"{tmp_path}/ran")
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    with pytest.raises(UrlDenied):
        UrlGit(hub_of(tmp_path).path, "https://example.org/x").refs()
    assert not (tmp_path / "ran").exists()


def test_refs_of_one_host_are_those_of_another(tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"a": "1\n"})
    one, two = (refs_of(tmp_path / name, origin) for name in ("one", "two"))
    change = commit_on(one.hub, "change")
    one.hub.update_ref("refs/epw/x/tasks/a", change)
    one.push(owns=False)
    assert not two.has_all([change])
    assert two.pull(owns=False) == {"tasks/a": change}
    assert two.has_all([change])
    assert two.hub.resolve("refs/epw/x/tasks/a") == change


def test_the_head_is_pushed_by_its_owner_alone_and_from_where_it_was(tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"a": "1\n"})
    old, new = (refs_of(tmp_path / name, origin) for name in ("old", "new"))
    head = "refs/epw/x/heads/run"
    first, second, third = (commit_on(old.hub, name) for name in ("first", "second", "third"))
    assert commit_on(new.hub, "third") == third
    old.hub.update_ref(head, first)
    old.push(owns=False)
    assert sh(origin, "git", "for-each-ref", "refs/epw") == ""
    old.push(owns=True)
    new.pull(owns=True)
    new.hub.move_ref(head, third, first)
    new.push(owns=True)
    # One that froze, and wakes up when another has taken over.
    old.hub.move_ref(head, second, first)
    with pytest.raises(UrlMoved):
        old.push(owns=True)
    assert sh(origin, "git", "rev-parse", head).strip() == third == old.hub.resolve(head)
    # A head that was built again leaves its predecessor for attempts that began from it.
    assert sh(origin, "git", "for-each-ref", "--format=%(objectname)", "refs/epw/x/left-heads").split() == [first]


def test_all_is_pushed_or_nothing(tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"a": "1\n"})
    hook = origin / "hooks/update"
    hook.write_text('#!/bin/sh\ncase "$1" in */b) echo "not this one"; exit 1;; esac\n')
    hook.chmod(0o755)
    host = refs_of(tmp_path / "host", origin)
    for name in ("a", "b"):
        host.hub.update_ref(f"refs/epw/x/tasks/{name}", commit_on(host.hub, name))
    with pytest.raises(UrlRefuses, match=r"tasks/b: .*not this one"):
        host.push(owns=True)
    assert sh(origin, "git", "for-each-ref", "refs/epw") == ""
    hook.unlink()
    host.push(owns=True)
    assert len(sh(origin, "git", "for-each-ref", "refs/epw").splitlines()) == 2


def test_nobody_fails_for_a_change_of_another_that_is_refused(tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"a": "1\n"})
    hook = origin / "hooks/pre-receive"
    hook.write_text(
        '#!/bin/sh\nwhile read old new ref; do case "$ref" in *bad*) echo "a secret"; exit 1;; esac; done\n'
    )
    hook.chmod(0o755)
    host = refs_of(tmp_path / "host", origin)
    for name in ("good", "bad"):
        host.hub.update_ref(f"refs/epw/x/tasks/{name}", commit_on(host.hub, name))
    host.push(owns=False, is_own=lambda name: "good" in name)
    assert sh(origin, "git", "for-each-ref", "--format=%(refname)", "refs/epw").split() == ["refs/epw/x/tasks/good"]
    with pytest.raises(UrlRefuses, match="a secret"):
        host.push(owns=False, is_own=lambda name: "bad" in name)


def test_a_push_whose_answer_was_lost_is_found_done(tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"a": "1\n"})
    host = refs_of(tmp_path / "host", origin)
    change = commit_on(host.hub, "change")
    host.hub.update_ref("refs/epw/x/tasks/a", change)
    sh(host.hub.path, "git", "push", "--quiet", f"file://{origin}", f"{change}:refs/epw/x/tasks/a")
    host.push(owns=False)
    host.delete()
    assert sh(origin, "git", "for-each-ref", "refs/epw") == ""
