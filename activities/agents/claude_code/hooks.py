"""Decisions about the tool calls of a Claude Code session: paths, questions, predicted conflicts."""

from __future__ import annotations

import os
from typing import Any

import claude_agent_sdk as sdk

from activities.agents.claude.prompt import conflict_warning, from_a_person
from activities.agents.claude_code.transcript import ASK
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from epw.core.messages import Question

_UNANSWERED = "Nobody answered. Decide by yourself, and say so."
_PATHS = ("file_path", "notebook_path", "path")


class Hooks:
    """The SDK's callbacks of one attempt."""

    def __init__(self, context: AgentContext, reporter: Reporter, pending: dict[str, Any] | None) -> None:
        """`pending`: input of the question for whose answer the session waits."""
        self._context = context
        self._reporter = reporter
        self.pending = None if pending is None else self.question(pending)
        """The question for whose answer the session waits."""
        self.has_deferred = False
        """Whether a question of this turn waits for a person already."""

    async def before_tool(self, call: Any, identifier: str | None, context: Any) -> Any:
        """Hook `PreToolUse`: report the call, and deny it a path outside of the directory."""
        name, arguments = call["tool_name"], call["tool_input"]
        if name == ASK:
            return self._defer() if self.pending is None else self._answer(arguments)
        subject = next((str(arguments[key]) for key in (*_PATHS, "command", "pattern") if key in arguments), "")
        files = {"files": [self._relative(subject)]} if name in ("Write", "Edit", "NotebookEdit") else {}
        self._reporter.report({"operation": f"{name} {self._relative(subject)}"[:200], **files})
        outside = [arguments[key] for key in _PATHS if key in arguments and not self._is_inside(arguments[key])]
        if outside:
            return _decision("deny", f"{outside[0]} is outside of the working directory")
        return self._with_warnings(_decision("allow"))

    async def may_use(self, name: str, arguments: dict[str, Any], context: Any) -> Any:
        """Callback `can_use_tool`; of a resumed session Claude Code may call it instead of the hook for a question."""
        decided = self._answer(arguments)["hookSpecificOutput"] if name == ASK else {}
        if decided.get("permissionDecision") == "deny":
            return sdk.PermissionResultDeny(message=decided["permissionDecisionReason"])
        return sdk.PermissionResultAllow(updated_input=decided.get("updatedInput"))

    def question(self, arguments: dict[str, Any]) -> Question:
        """The question that the input of `AskUserQuestion` holds."""
        asked = [each for each in arguments.get("questions", []) if isinstance(each, dict)]
        text = "\n".join(str(each.get("question", "")) for each in asked)
        options = [str(each.get("label", "")) for each in asked[0].get("options", [])] if len(asked) == 1 else []
        # As in Claude Code itself, whose user can always say something else.
        shown = [self._reporter.redact(option) for option in options]
        return Question.cut(self._reporter.redact(text), shown, free_text=True)

    def _answer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give the answer with which the attempt was started to the call that asked."""
        answer = None if self.pending is None else self._context.answer
        self.pending = None
        if answer is None:
            return _decision("deny", _UNANSWERED)
        answers = {each["question"]: answer for each in arguments.get("questions", [])}
        decision = _decision("allow")
        decision["hookSpecificOutput"]["updatedInput"] = {**arguments, "answers": answers}
        return decision

    def _defer(self) -> dict[str, Any]:
        """Let the first question of a turn wait for a person; Claude Code would forget all but one."""
        if self.has_deferred:
            return _decision("deny", "One question at a time: ask this one again when the first is answered.")
        self.has_deferred = True
        return _decision("defer")

    def _with_warnings(self, decision: dict[str, Any]) -> dict[str, Any]:
        """The decision, with newly predicted conflicts for the model to read beside the result of its call."""
        predicted = self._reporter.warnings.take_new()
        told = map(from_a_person, self._reporter.new_notes())
        if messages := [*told, *(conflict_warning(self._context, each) for each in predicted)]:
            decision["hookSpecificOutput"]["additionalContext"] = "\n\n".join(messages)
        return decision

    def _is_inside(self, path: Any) -> bool:
        tree = os.path.realpath(self._context.tree)
        return f"{os.path.realpath(os.path.join(tree, str(path)))}/".startswith(f"{tree}/")

    def _relative(self, text: str) -> str:
        for root in (f"{os.path.realpath(self._context.tree)}/", f"{self._context.tree}/"):
            text = text.replace(root, "")
        return self._reporter.redact(text)


def _decision(decision: str, reason: str = "") -> dict[str, dict[str, Any]]:
    output = {"hookEventName": "PreToolUse", "permissionDecision": decision}
    return {"hookSpecificOutput": output | ({"permissionDecisionReason": reason} if reason else {})}
