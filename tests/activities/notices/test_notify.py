"""Notices of an execution reach a command and a webhook, once each, and never hold it up."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.worker import Worker

from activities.notices.webhook import FORMATS
from epw.core.messages import NOTIFY, PREPARE, RUN_TASK, Prepared, PrepareRequest, TaskOutcome, TaskRun
from epw.core.notice import NoticeRequest
from tests.support import Harness, ended, eventually, failure_type, statuses, tasks, until
from tests.workflows.test_time_skipping import ASK, skipping
from workflows.execute_parallel import ExecuteParallelWorkflow

__all__ = ["skipping"]


class Receiver:
    """An HTTP server that notes what it gets, and answers as it is told: with these codes, then with 204."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.codes: list[int] = []
        self.drops = 0
        """So many connections are closed without a word."""
        self.seconds = 0.0
        """So long an answer takes."""
        self.accepted: list[dict[str, Any]] = []
        """Notices that were answered with success."""
        self.is_closed = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if receiver.drops:
                    receiver.drops -= 1
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                code = receiver.codes.pop(0) if receiver.codes else 204
                time.sleep(receiver.seconds)
                if code < 300:
                    receiver.accepted.append(json.loads(body))
                self.send_response(code)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.is_closed = True
        self._server.shutdown()
        self._server.server_close()

    def received(self) -> dict[str, dict[str, Any]]:
        """The notices by their idempotency key, as a receiver counts them."""
        return {headers["Idempotency-Key"]: json.loads(body) for headers, body in self.requests}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    if not found.is_closed:
        found.close()


@pytest.fixture
def secret() -> Iterator[str]:
    name = "EPW_TEST_WEBHOOK_KEY"
    os.environ[name] = "canary-of-the-webhook"
    yield name
    del os.environ[name]


async def test_each_is_told_once_though_the_receiver_fails_first(
    harness: Harness, tmp_path: Path, receiver: Receiver, secret: str
) -> None:
    receiver.codes = [500, 429]
    command = f'out=$(mktemp {tmp_path}/notice-XXXXXX); cat > "$out"; test "$(cat "$out")" = "$EPW_NOTICE"'
    rules = [{"webhook": receiver.url, "secretEnv": secret}, {"on": ["failed", "ended"], "command": command}]
    rows = tasks(
        {"id": "asks", "run": ASK.replace("which?", "canary-of-the-webhook?")},
        {"id": "fails", "run": "echo no; exit 3"},
        {"id": "after", "run": "true", "dependsOn": ["fails"]},
    )
    plan = {"name": "Shop", "strategy": "aggressive", "notify": rules, "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        asked = await eventually(lambda: [each for each in receiver.received().values() if each["event"] == "question"])
        await handle.execute_update("answer", {"questionId": asked[0]["question"]["id"], "text": "this"})
        await ended(handle)
        document = await harness.document(handle)
    assert statuses(document) == {"asks": "succeeded", "fails": "failed", "after": "skipped"}
    told = list(receiver.received().values())
    assert sorted(each["event"] for each in told) == ["ended", "failed", "question"]
    by_event = {each["event"]: each for each in told}
    assert len(receiver.requests) == 5, "two of them twice"
    question = by_event["question"]
    assert (question["executionId"], question["name"], question["taskId"]) == (handle.id, "Shop", "asks")
    assert question["question"]["text"] == f"[{secret}]?"
    assert question["commands"] == [f"epw answer {handle.id} {question['question']['id']} TEXT"]
    assert by_event["failed"]["error"]["type"] == "CommandFailed"
    assert by_event["ended"]["status"] == document["status"] == "partial"
    assert by_event["ended"]["counts"] == {"succeeded": 1, "failed": 1, "skipped": 1}
    for headers, body in receiver.requests:
        signed = headers["Epw-Timestamp"].encode() + b"." + body
        wanted = hmac.new(os.environ[secret].encode(), signed, hashlib.sha256).hexdigest()
        assert headers["Epw-Signature"] == f"sha256={wanted}"
        assert b"canary" not in body
    noted = [json.loads(path.read_text()) for path in tmp_path.glob("notice-*")]
    assert sorted(each["event"] for each in noted) == ["ended", "failed"]


async def test_a_receiver_that_refuses_is_not_asked_again(harness: Harness, receiver: Receiver) -> None:
    receiver.codes = [302, 302, 302]
    rules = [{"on": ["ended"], "webhook": receiver.url}]
    document = await harness.run({"notify": rules, "tasks": tasks({"id": "a", "run": "true"})})
    assert document["status"] == "succeeded"
    assert len(receiver.requests) == 1


async def test_a_cancellation_ends_the_wait_for_the_last_one(harness: Harness, receiver: Receiver) -> None:
    receiver.close()
    rules = [{"webhook": receiver.url}]
    async with harness.working():
        handle = await harness.start({"notify": rules, "tasks": tasks({"id": "a", "run": "true"})})
        await until(handle, lambda now: now["status"] == "succeeded")
        await handle.cancel()
        assert await ended(handle, 20) is None
        document = await harness.document(handle)
    assert document["status"] == "succeeded"


async def test_a_variable_that_the_worker_lacks_is_told_before_anything_runs(harness: Harness, tmp_path: Path) -> None:
    rows = tasks({"id": "a", "run": f"touch {tmp_path}/ran"})
    async with harness.working():
        handle = await harness.start({"notify": [{"webhook": "$EPW_TEST_NO_SUCH_URL"}], "tasks": rows})
        assert await failure_type(handle) == "InvalidPlan"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("down_for", "arrives"), [(60, True), (3600, False)])
async def test_a_minute_without_the_receiver_costs_no_task_and_no_notice(
    skipping: Any, tmp_path: Path, down_for: int, *, arrives: bool
) -> None:
    sent: list[str] = []
    queue, tries = f"queue-{uuid.uuid4().hex}", 0

    @activity.defn(name=PREPARE)
    async def prepare(request: PrepareRequest) -> Prepared:
        return Prepared(task_queue=queue)

    @activity.defn(name=RUN_TASK)
    async def run_task(run: TaskRun) -> TaskOutcome:
        return TaskOutcome(kind="completed", duration_ms=1)

    @activity.defn(name=NOTIFY)
    async def notify(request: NoticeRequest) -> None:
        nonlocal tries
        tries += 1
        waited = (await skipping.get_current_time()).timestamp() - started
        if waited < down_for:
            raise RuntimeError("it is down")
        sent.append(request.notice.event)

    started = (await skipping.get_current_time()).timestamp()
    async with Worker(
        skipping.client, task_queue=queue, workflows=[ExecuteParallelWorkflow], activities=[prepare, run_task, notify]
    ):
        plan = {"notify": [{"on": ["ended"], "command": "true"}], "tasks": tasks({"id": "a", "run": "true"})}
        handle = await Harness(skipping.client, tmp_path, queue).start(plan)
        assert await ended(handle) is None
        document, described = await handle.result(), await handle.describe()
    assert described.close_time is not None
    assert document["status"] == "succeeded"
    assert document["metrics"]["totalDuration"] < 30_000, "the wait for a notice is no part of it"
    assert (sent == ["ended"]) is arrives
    assert (described.close_time - described.start_time).total_seconds() < 130
    assert 7 <= tries <= 9


@pytest.mark.parametrize("how", ["is down", "answers 500"])
async def test_a_webhook_that_fails_for_a_minute_gets_each_notice_once_and_delays_nothing(
    skipping: Any, tmp_path: Path, receiver: Receiver, how: str
) -> None:
    """Of real activities and requests; the minute of waits between the tries is skipped."""
    tries = 6
    harness = Harness(skipping.client, tmp_path, f"queue-{uuid.uuid4().hex}")
    receiver.drops, receiver.codes = (2 * tries, []) if how == "is down" else (0, [500] * 2 * tries)
    rows = tasks({"id": "fails", "run": "exit 3"}, {"id": "works", "run": "true"})
    plan = {"strategy": "aggressive", "notify": [{"webhook": receiver.url}], "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        assert await ended(handle) is None
        document, described = await harness.document(handle), await handle.describe()
    assert sorted(each["event"] for each in receiver.accepted) == ["ended", "failed"]
    assert document["status"] == "partial"
    assert described.close_time is not None
    assert (described.close_time - described.start_time).total_seconds() > 25, "they were tried for long"
    last = max(row["finishedAt"] for row in document["results"])
    assert document["metrics"]["totalDuration"] < last - described.start_time.timestamp() * 1000 + 5_000


@pytest.mark.slow
async def test_a_webhook_that_answers_after_20_seconds_gets_each_notice_once(
    harness: Harness, receiver: Receiver
) -> None:
    receiver.seconds = 20
    rows = tasks({"id": "fails", "run": "exit 3"}, {"id": "works", "run": "true"})
    plan = {"strategy": "aggressive", "notify": [{"webhook": receiver.url}], "tasks": rows}
    document = await harness.run(plan)
    assert document["metrics"]["totalDuration"] < 20_000
    assert sorted(each["event"] for each in receiver.accepted) == ["ended", "failed"]
    assert len(receiver.requests) == 2


def test_what_slack_and_ntfy_get() -> None:
    notice = {
        "id": "x",
        "title": "api asks: ünicode",
        "text": "<!channel> & more",
        "commands": ["epw answer e q1 TEXT"],
    }
    said = json.loads(FORMATS["slack"].body(notice))
    assert said == {"text": "*api asks: ünicode*\n&lt;!channel&gt; &amp; more\n`epw answer e q1 TEXT`"}
    assert FORMATS["ntfy"].body(notice).decode() == "<!channel> & more\nepw answer e q1 TEXT"
    assert FORMATS["ntfy"].headers(notice)["Title"].startswith("=?utf-8?")
