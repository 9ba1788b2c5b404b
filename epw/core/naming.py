"""Names on disk, in refs and in queues that are safe for any id: a readable slug and a hash."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

HIDDEN_REFS = "refs/epw"
"""Where the refs of executions are: in hubs, and on a git URL, unless a plan says otherwise."""
_UNSAFE = re.compile(r"[^a-z0-9]+")
# What `git check-ref-format` accepts as one path component, without characters that mean something to a shell.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@lru_cache(maxsize=16384)
def slug(text: str) -> str:
    """A name of at most 49 characters of [a-z0-9-], different for different texts."""
    words = _UNSAFE.sub("-", text.lower()).strip("-")[:36].strip("-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{words}-{digest}" if words else digest


def ref_component(text: str) -> str:
    """The text itself where git accepts it as a ref component, else its slug."""
    plain = _PLAIN.fullmatch(text) and ".." not in text and not text.endswith((".", ".lock"))
    return text if plain else slug(text)


def branch_name(execution_id: str) -> str:
    """The branch that delivers an execution: `epw/<executionId>`."""
    return f"epw/{ref_component(execution_id)}"


def url_ref(prefix: str, execution_id: str, *parts: str) -> str:
    """A ref of an execution on a git URL: `refs/epw/<executionId>/<part>/...`; `prefix`: in place of `refs/epw`."""
    return "/".join((prefix, ref_component(execution_id), *parts))


def execution_ref(execution_id: str, *parts: str) -> str:
    """A ref of an execution in its hub: `refs/epw/<execution>/<part>/...`; the parts must be safe names."""
    return "/".join((HIDDEN_REFS, slug(execution_id), *parts))
