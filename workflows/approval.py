"""Changes that make other programs do things: by a model's hand they land only when a person says so. Pure."""

from __future__ import annotations

from workflows.errors import InvalidRequest
from workflows.messages import Question

LAND, REFUSE = "land", "refuse"
# What continuous integration runs, what git runs, what agents, editors and containers start.
_FOLDERS = frozenset(
    {
        ".github",
        ".circleci",
        ".forgejo",
        ".gitea",
        ".buildkite",
        ".githooks",
        ".husky",
        ".claude",
        ".cursor",
        ".vscode",
        ".idea",
        ".devcontainer",
    }
)
_FILES = frozenset(
    {
        ".gitlab-ci.yml",
        "azure-pipelines.yml",
        "jenkinsfile",
        ".travis.yml",
        ".pre-commit-config.yaml",
        "lefthook.yml",
        ".gitattributes",
        ".gitmodules",
        ".mcp.json",
        ".envrc",
    }
)
_HOOKS = frozenset(
    {
        "applypatch-msg",
        "pre-applypatch",
        "post-applypatch",
        "pre-commit",
        "pre-merge-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "pre-rebase",
        "post-checkout",
        "post-merge",
        "pre-push",
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
        "push-to-checkout",
        "pre-auto-gc",
        "post-rewrite",
        "sendemail-validate",
        "fsmonitor-watchman",
    }
)


def risky(paths: list[str]) -> list[str]:
    """Those of the paths that need a person's word."""
    return [path for path in paths if _is_risky(path.casefold().split("/"))]


def _is_risky(parts: list[str]) -> bool:
    *folders, name = parts
    is_hook = folders[-1:] == ["hooks"] and name in _HOOKS
    return is_hook or name in _FILES or any(part in _FOLDERS for part in parts)


def question(task_id: str, paths: list[str]) -> Question:
    """Whether a task's change may land."""
    text = f"{task_id} has changed {', '.join(paths)}, which other programs obey. Look at it; {LAND} or {REFUSE}?"
    return Question.cut(text, [LAND, REFUSE])


def approved(answer: str) -> bool:
    """Raises `InvalidRequest` for an answer that is none."""
    text = answer.strip().lower()
    if text not in (LAND, REFUSE):
        raise InvalidRequest(f"{answer[:100]!r} is neither {LAND} nor {REFUSE}")
    return text == LAND
