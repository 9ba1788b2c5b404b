"""One call of the Messages API, and the classification of its errors."""

from __future__ import annotations

import email.utils
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import anthropic
import httpx2

from activities.model_api.answer import BrokenAnswer, ModelAnswer, Used, collected
from activities.model_api.credentials import api_key
from activities.system.server_time import server_time

PROVIDER = "anthropic"
TIMEOUT = httpx2.Timeout(120.0, connect=10.0)
_USAGE_LIMIT_SECONDS = 300.0
_MAX_WAIT_SECONDS = 30 * 86_400.0
_CREDIT = re.compile(r"credit|billing", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_EPOCH = re.compile(r"(?<!\d)(\d{10})(?!\d)")
_STATUS_OF_KIND = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504}

Kind = Literal["rate", "usage-limit", "credit", "passing", "final"]


@dataclass
class Rejected(Exception):
    """A call without an answer."""

    kind: Kind
    """`rate`: too many calls. `usage-limit`: none before `wait` is over. `credit`: no money left. `passing`: a
    temporary error. `final`: the same call would fail again."""
    message: str
    wait: float | None = None
    """Seconds to wait, from the server; None: it named none."""
    may_cost: bool = False
    """Whether the call may be paid all the same: it may have arrived, and nobody has refused it."""

    def __str__(self) -> str:
        return self.message


class Api:
    """Client of the API; key and address come from the environment, as the SDK reads them."""

    def __init__(self) -> None:
        self._client: anthropic.AsyncAnthropic | None = None

    @staticmethod
    def account() -> str:
        """Fingerprint of the account's key; equal in all workers that have the key."""
        return hashlib.sha256(api_key().encode()).hexdigest()[:12]

    @property
    def client(self) -> anthropic.AsyncAnthropic:
        if self._client is None:
            api_key()
            # No retries by the SDK: it would sleep for the hours of a `retry-after` without reporting it.
            self._client = anthropic.AsyncAnthropic(max_retries=0, timeout=TIMEOUT)
        return self._client

    async def ask(self, request: dict[str, Any], used: Used | None = None) -> ModelAnswer:
        """The complete answer; raises `Rejected`. `used` gets the token counts, also of a partial answer."""
        try:
            async with await self.client.messages.create(**request, stream=True) as stream:
                return await collected(stream, used or Used())
        except BrokenAnswer as error:
            raise Rejected("passing", f"a broken answer: {error}", may_cost=True) from None
        except anthropic.APIStatusError as error:
            raise rejection(error.status_code, error.response.headers, error.body, error.message) from None
        except (anthropic.APIError, httpx2.HTTPError, ValueError) as error:
            message = f"{type(error).__name__}: {error}"[:500]
            raise Rejected("passing", message, may_cost=may_have_arrived(error)) from None


def may_have_arrived(error: BaseException) -> bool:
    """Whether a request that ended in this error may have reached the server."""
    before = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
    return not isinstance(error, before) and not isinstance(error.__cause__, before)


def rejection(status: int, headers: Mapping[str, str], content: Any, fallback: str = "") -> Rejected:
    """Classify an error response; `content`: its JSON, `fallback`: message for one that has none."""
    now = server_time()
    body = content if isinstance(content, dict) else {}
    nested = body.get("error")
    inner: dict[str, Any] = nested if isinstance(nested, dict) else body
    kind, message = str(inner.get("type") or ""), str(inner.get("message") or fallback)[:500]
    # An error inside a stream comes with the status of the stream, and after a part of the answer.
    in_stream = status < 400
    status = _STATUS_OF_KIND.get(kind, 400) if status < 400 else status
    text = f"{status} {kind}: {message}"
    wait = _retry_after(headers, now)
    if status == 429:
        until = _named_moment(headers, message, now)
        if wait is not None and wait > _USAGE_LIMIT_SECONDS:
            return Rejected("usage-limit", text, wait, in_stream)
        if until is not None and until - now > _USAGE_LIMIT_SECONDS:
            return Rejected("usage-limit", text, until - now, in_stream)
        return Rejected("rate", text, wait, in_stream)
    if status in (400, 403, 402) and _CREDIT.search(message):
        return Rejected("credit", text, may_cost=in_stream)
    if status == 529:
        return Rejected("rate", text, wait, in_stream)
    if status in (408, 409) or status >= 500:
        return Rejected("passing", text, wait, in_stream)
    return Rejected("final", text, may_cost=in_stream)


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        parsed = email.utils.parsedate_tz(value)
        seconds = math.nan if parsed is None else email.utils.mktime_tz(parsed) - now
    return min(max(0.0, seconds), _MAX_WAIT_SECONDS) if math.isfinite(seconds) else None


def _named_moment(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """The latest reset time that the message names, or the headers of an exhausted limit; epoch seconds."""
    found = [float(each) for each in _EPOCH.findall(message)]
    found += [moment for each in _MOMENT.findall(message) if (moment := _epoch(each)) is not None]
    for name, value in headers.items():
        if name.startswith("anthropic-ratelimit-") and name.endswith("-reset"):
            remaining = headers.get(name.removesuffix("reset") + "remaining")
            moment = _epoch(value)
            if remaining is not None and remaining.strip() == "0" and moment is not None:
                found.append(moment)
    return max((each for each in found if now < each <= now + _MAX_WAIT_SECONDS), default=None)


def _epoch(text: str) -> float | None:
    if _EPOCH.fullmatch(text.strip()):
        return float(text)
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.now().astimezone().tzinfo)).timestamp()
