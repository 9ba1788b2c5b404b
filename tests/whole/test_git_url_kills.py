"""Kills at random moments of an execution on two hosts: of either host, of the git server, of the Temporal server."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.git_servers import SSHD, ssh_server
from tests.hosts import Hosts, check, closed, collect, plan_of, shared_files, temporal_server
from tests.repositories import bare_repository

PAIRS = 20
ROUNDS = 10
KILLS = 5
"""So many a round."""


VICTIMS = ("first host", "second host", "git", "temporal") * 2
"""At the third death of its worker a task would be `Poison`, and rightly."""


@dataclass(frozen=True)
class Moment:
    """When what is killed, and when it is there again; seconds, the first since the start of the execution."""

    at: float
    victim: str
    away: float


def moments(seed: int) -> list[Moment]:
    chance = random.Random(seed)
    victims = chance.sample(VICTIMS, KILLS)
    times = sorted(chance.uniform(0.5, 25) for _ in range(KILLS))
    pairs = zip(times, victims, strict=True)
    return [Moment(round(at, 2), victim, round(chance.uniform(0.2, 3), 2)) for at, victim in pairs]


@pytest.mark.slow
@pytest.mark.skipif(SSHD is None, reason="sshd (Debian: openssh-server) is missing")
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_kills_at_random_moments_lose_nothing_and_do_nothing_twice(
    temporal_binary: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    seed = int(os.environ.get("EPW_SEED", "1000")) + number
    origin = bare_repository(tmp_path, shared_files(PAIRS))
    killed = 0
    with ssh_server(tmp_path / "ssh") as git:
        async with temporal_server(temporal_binary, tmp_path) as server:
            hosts = Hosts(server.address, temporal_binary, tmp_path, f"[core]\n\tsshCommand = {git.client}\n")
            first, second = hosts.host("one"), hosts.host("two")
            victims: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
                "first host": (first.kill, first.work),
                "second host": (second.kill, second.work),
                "git": (git.kill, git.start),
                "temporal": (server.kill, server.start),
            }
            plan, name = plan_of(f"{git.begin}{origin}", PAIRS, 0.3), f"seed-{seed}"
            client = await server.client()
            with hosts.working():
                await asyncio.to_thread(first.cli, "start", first.cli.plan(plan), "--id", name)
                handle, started = client.get_workflow_handle(name), time.monotonic()
                ending = asyncio.create_task(closed(handle))
                for moment in moments(seed):
                    await asyncio.wait([ending], timeout=max(0.0, started + moment.at - time.monotonic()))
                    if ending.done():
                        break
                    say(capsys, f"seed {seed}: {moment}")
                    end, begin = victims[moment.victim]
                    await asyncio.to_thread(end)
                    await asyncio.sleep(moment.away)
                    await asyncio.to_thread(begin)
                    killed += 1
                await ending
                document = await check(hosts, handle, plan, origin)
                await collect(hosts, name, origin)
    seconds = round(time.monotonic() - started, 1)
    say(capsys, f"seed {seed}: {document['status']} after {killed} kills, {seconds} s with all checks")
    assert killed


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(line, flush=True)
