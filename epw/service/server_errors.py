"""Texts for errors of the connection to Temporal: the cause in plain words, in place of the SDK's own."""

from __future__ import annotations

import re

_CAUSES = (
    (r"ConnectionRefused|Connection refused", "nothing listens there"),
    (r"dns error|failed to lookup|Name or service not known", "the host's name is not known"),
    (r"certificate|tls|Tls|corrupt message", "TLS fails: compare its settings (TEMPORAL_TLS_*) with the server's"),
    (r"Unauthenticated|unauthenticated|PermissionDenied|Request unauthorized", "it does not accept the credentials"),
    (r"[Nn]amespace .* not found|Namespace not found", "it has no such namespace (TEMPORAL_NAMESPACE)"),
    (r"ConnectionReset|BrokenPipe|connection closed|h2 protocol|UnexpectedEof", "the connection was closed"),
    (r"deadline|timed out|Timeout|TimedOut|NetworkUnreachable|HostUnreachable|unreachable", "it does not answer"),
    (r"[Ii]nvalid (uri|url|URL)|relative URL|empty host|invalid port", "the address is no `host:port`"),
)
"""What the SDK's texts hold, by a pattern, with what a user is told; the first that fits."""
_DEBUG = re.compile(r"[A-Za-z_:]*(?:::|Error\(|\{ ).*", re.DOTALL)
"""Beginning of a dump of the SDK's values."""


def cause(text: str) -> str:
    """Why the server cannot be used, from the text of an error of the SDK."""
    found = next((words for pattern, words in _CAUSES if re.search(pattern, text)), None)
    rest = _DEBUG.sub("", text).strip(" :,")
    return found or rest[:300] or "it does not answer"
