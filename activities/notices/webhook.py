"""Channel `webhook`: a POST, signed where the rule names a key, the same body each time it is tried."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.header import Header
from typing import Any

from activities.notices.channel import NotSent, Sending
from epw.core.plan.outgoing import NoticeRule, check_url, variable_of

SIGNATURE, TIMESTAMP, KEY = "Epw-Signature", "Epw-Timestamp", "Idempotency-Key"
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0
"""A receiver that takes its time has the notice already: tried again too early, it would get it twice."""
_TRY_AGAIN = frozenset([408, 425, 429])


@dataclass(frozen=True)
class Format:
    """What a receiver of one kind gets."""

    body: Callable[[dict[str, Any]], bytes]
    headers: Callable[[dict[str, Any]], dict[str, str]] = field(default=lambda notice: {})
    content_type: str = "application/json"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def _slack(notice: dict[str, Any]) -> bytes:
    lines = [f"*{_escaped(notice['title'])}*", _escaped(notice["text"])]
    lines += [f"`{_escaped(command)}`" for command in notice.get("commands", [])]
    return _json({"text": "\n".join(lines)})


def _escaped(text: str) -> str:
    """Slack reads `<!channel>` and links in what is not escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ntfy(notice: dict[str, Any]) -> bytes:
    return "\n".join([notice["text"], *notice.get("commands", [])]).encode("utf-8", "replace")


def _ntfy_headers(notice: dict[str, Any]) -> dict[str, str]:
    title = " ".join(notice["title"].split())
    return {"Title": Header(title, "utf-8", maxlinelen=10_000).encode() if not title.isascii() else title}


FORMATS = {
    "json": Format(_json),
    "slack": Format(_slack),
    "ntfy": Format(_ntfy, _ntfy_headers, "text/plain; charset=utf-8"),
}


def signature(key: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `timestamp.body`, in hexadecimal."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def post(sending: Sending) -> None:
    """Post the notice; any answer but 2xx raises `NotSent`. No redirect is followed: it may lead anywhere."""
    # Imported here: most executions send none.
    import httpx2

    rule, notice = sending.rule, sending.notice
    form, url = FORMATS[rule.format or "json"], url_of(rule)
    body, timestamp = form.body(notice), str(int(time.time()))
    headers = {"Content-Type": form.content_type, "User-Agent": "epw", KEY: notice["id"], **form.headers(notice)}
    if rule.secret_env is not None:
        headers |= {TIMESTAMP: timestamp, SIGNATURE: f"sha256={signature(_variable(rule.secret_env), timestamp, body)}"}
    try:
        timeout = httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False) as client:
            answer = await client.post(url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        # Without its words, which may have the URL.
        raise NotSent(f"the webhook of notify does not answer: {type(error).__name__}") from None
    if answer.is_success:
        return
    is_final = 300 <= answer.status_code < 500 and answer.status_code not in _TRY_AGAIN
    raise NotSent(f"the webhook of notify answers {answer.status_code}", final=is_final)


def url_of(rule: NoticeRule) -> str:
    """The URL of a rule, from the worker's variables where it names one; raises `NotSent`."""
    named = variable_of(rule.webhook or "")
    if named is None:
        return rule.webhook or ""
    url = _variable(named).strip()
    if (why := check_url(url)) is not None:
        raise NotSent(f"the variable {named} {why}", final=True)
    return url


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise NotSent(f"the worker has no variable {name}", final=True)
    return value
