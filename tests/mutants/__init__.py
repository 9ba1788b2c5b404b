"""Plausible bugs, put in by hand one at a time: the tests named beside each must notice it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`; with `new` in its place one of `tests` must fail (file, or file and words of -k)."""

    file: str
    old: str
    new: str
    tests: str


def copy_checkout(to: Path) -> Path:
    """A copy of the checkout's tracked files in a new folder of this name."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    return to


def _m(file: str, old: str, new: str, tests: str) -> Mutant:
    return Mutant(file, old, new, tests)


_PROMISES, _STORAGE, _APPLY = (
    "whole/test_promises.py",
    "cli/test_storage.py",
    "activities/apply/test_apply.py activities/apply/test_apply_machine.py",
)
_LOSSES, _SCHEDULE, _GIT = (
    "activities/conflicts/test_losses.py",
    "core/test_schedule.py core/test_plan.py",
    "activities/git/test_git.py",
)
_ENDED = "whole/test_promises.py -k watch"
MUTANTS = (
    # what a clone brings along
    _m("epw/client/defaults.py", 'values["sandbox"] = max(', 'values["sandbox"] = min(', "client/test_defaults.py -k strengthen"),
    _m("epw/client/defaults.py", "isinstance(one, str) else min(", "isinstance(one, str) else max(", "client/test_defaults.py -k two_limits"),
    _m("epw/client/defaults.py", "            project = _read(theirs, ProjectDefaults, ours)\n", "            project = _read(theirs, UserDefaults, ours)\n", "client/test_defaults.py -k clone"),
    # git
    _m("activities/git/transfer.py", '_run_in(workspace, "update-ref", ref, commit, ABSENT)', '_run_in(workspace, "update-ref", ref, commit)', f"{_PROMISES} -k branch_that_exists"),
    _m("activities/git/hub.py", 'git("update-ref", ref, commit, expected, git_dir=self.path)', 'git("update-ref", ref, commit, git_dir=self.path)', _GIT),
    _m("activities/system/directories.py", 'return leads.split("/")[0] in ("..", "", ".git")', 'return leads.split("/")[0] in ("..", "")', "workflows/test_workflow.py -k leaves_the_workspace"),
    _m("activities/git/user_settings.py", ', "GIT_CONFIG_PARAMETERS")', ")", "cli/test_environments.py -k variables_count"),
    _m("activities/git/changes.py", 'if not difference:', 'if difference:', _GIT),
    _m("activities/git/filters/filter_drivers.py", "        found.append(_required(name))\n", "        pass\n", "activities/git/test_filters.py -k fails"),
    _m("activities/git/filters/clear_text.py", "    if missing:\n", "    if False:\n", "activities/git/test_filters.py -k without_its_driver"),
    _m("activities/git/filters/clear_text.py", "        kept.is_changed = True\n", "        pass\n", "activities/git/test_filters.py -k salted"),
    _m("activities/attempt/keep.py", " if path not in in_clear]", "]", "activities/git/test_filters.py -k beside_what_would"),
    _m("activities/git/filters/large_files.py", "return iter([content])", "return None", "activities/git/test_lfs.py -k nothing_was_fetched"),
    _m("activities/git/workspace.py", '"core.eol", "core.filemode")', '"core.eol")', "activities/attempt/test_checkout.py -k who_may"),
    _m("activities/git/submodules/submodules.py", "        same = [each for each in (*own, origin) if each and self._hub.tree_of(each) == tree]\n", "        same = list[str]()\n", "activities/attempt/test_submodules.py -k nobody_changed"),
    _m("activities/git/submodules/submodules.py", 'if each not in start or not self._hub.is_ancestor(each, home.head or "")', "if each not in start", "activities/attempt/test_submodules_moved.py -k no_agent_touches"),
    _m("activities/git/submodules/submodules.py", "            candidates |= {path: [each.commit] for path, each in read_record(self._hub, step.record).items()}\n", "", "activities/attempt/test_submodules_moved.py -k pointer_at_its_new_path"),
    _m("activities/git/save_tree.py", "self._run(*argv, *self._left_out, codes=(0, 128))", "self._run(*argv, codes=(0, 128))", "activities/attempt/test_submodules.py -k land_in_their"),
    _m("activities/attempt/nested_repositories.py", "own = git_dir_for(self._hub, self.workspace_of(each).info_attributes) if path else None", "own = None", "activities/attempt/test_submodules_rules.py -k parent_s_alone"),
    _m("activities/git/repository_view.py", "objects, added = _copied_objects(git_dir, view), alternates", "objects = _copied_objects(git_dir, view)", "activities/attempt/test_left_behind.py -k borrows"),
    _m("activities/git/repository_view.py", "            if folder.is_symlink() or not folder.is_dir():\n", "            if not folder.is_dir():\n", "activities/attempt/test_left_behind.py -k brought_in"),
    _m("epw/core/decisions/conflicted_change.py", "files = (context.paths or [_WORKSPACE]) if self._patched(IN_TURN) else []", "files = []", "workflows/test_reruns.py -k once_each"),
    _m("workflows/merge_queue.py", "if not verified.green and await self._passed_before(row.task_id):", "if not verified.green:", "workflows/test_reruns.py -k not_blamed"),
    _m("workflows/verification.py", "        return self._verdicts[commit].green\n", "        return False\n", "workflows/test_commands_again.py -k plan_s_check"),
    _m("activities/system/concurrency.py", "            cancelled = error\n", "            raise\n", "activities/processes/test_children.py -k whoever_cancels"),
    # apply
    _m("activities/roll_back.py", "    if workspace.resolve_ref(reference) == head:\n", "    if workspace.resolve_ref(reference):\n", f"{_PROMISES} -k delivered_branch"),
    _m("activities/apply/undo.py", "        if there != step.after:\n            return False\n", "", f"{_PROMISES} -k since"),
    _m("activities/apply/undo.py", "            return there == step.before\n    return True", "            return True\n    return True", _APPLY),
    _m("activities/apply/undo.py", "left += [] if _remove_new(step, root, aside) else [step]", "_remove_new(step, root, aside)", f"{_PROMISES} -k since"),
    _m("activities/apply/tree_delivery.py", "os.fchmod(made, 0o777 & ~user_umask())", "pass", "cli/test_environments.py -k owner_s_alone"),
    _m("activities/state/fence.py", 'if tuple(fence["newest"].get(step, token)) > token:', 'if tuple(fence["newest"].get(step, token)) >= token:', f"{_PROMISES} -k newest"),
    _m("activities/state/fence.py", 'if fence["closed"] and step != ROLL_BACK:', "if False:", f"{_PROMISES} -k newest"),
    _m("activities/state/fence.py", 'if fence["runs"][-1] != execution.run_key:', "if False:", f"{_PROMISES} -k newest"),
    # conflicts
    _m("activities/conflicts/textual/losses.py", 'stays = stays or (start == end and place[0] < place[1])', 'pass', _LOSSES),
    _m("activities/conflicts/textual/losses.py", "    if new == change or change == before:\n", "    if new == change or change == before or True:\n", _LOSSES),
    _m("activities/conflicts/textual/losses.py", "return any(not any(line in each for each in new) for line in lost)", "return bool(lost)", _LOSSES),
    _m("epw/core/decisions/resolver.py", "if conflict is None or conflict.step is None or not conflict.step.kind.reapplies:", "if True:", "activities/conflicts/test_resolution.py -k make_its_change_again"),
    _m("activities/conflicts/textual/encoded_files.py", "write_atomically(file, made.encode())", "pass", "activities/git/test_filters.py -k again"),
    _m("activities/conflicts/textual/new_attributes.py", "if own.get(path) != name}", "if True}", "activities/git/test_filters.py -k beside_new"),
    _m("activities/git/merge.py", 'if conflict == "file/directory" and not any(', 'if False and not any(', "activities/conflicts/test_textual.py"),
    _m("activities/conflicts/textual/resolve.py", "if renamed and stages[0].number != _STAGE[self.strategy]:", "if False:", "activities/conflicts/test_textual.py"),
    _m("activities/conflicts/textual/resolve.py", "            if sides != {stage.number: stage for stage in stages}:\n                raise _Unresolved\n", "", "activities/conflicts/test_textual.py"),
    _m("activities/conflicts/semantic/rules/python_modules.py", "if not is_elsewhere:", "if True:", "activities/conflicts/test_semantic.py"),
    _m("activities/attempt/directory.py", "tree, paths = own, changed_paths(hub, base, own)", "pass", "activities/conflicts/test_resolution.py -k beside"),
    _m("epw/core/decisions/conflicts.py", '({"choice": str(step)} if self.waits else {})', '{"choice": str(step)}', "activities/conflicts/test_conflict_choices.py -k lines"),
    # limits
    _m("activities/processes/children.py", "if child.pid not in _own and os.getsid(child.pid) != os.getsid(0):", "if os.getsid(child.pid) != os.getsid(0):", "activities/processes/test_children.py"),
    _m("activities/processes/children.py", "found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)", "found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)", "activities/processes/test_children.py"),
    _m("activities/system/process_identity.py", "return is_same and found.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)", "return is_same", "activities/processes/test_children.py"),
    _m("activities/sandbox/capabilities.py", "    if os.geteuid() == 0:\n", "    if False:\n", "activities/sandbox/test_threats.py -k process"),
    _m("activities/sandbox/levels.py", '    if level == "process" and landlock.abi():\n', "    if False:\n", "activities/sandbox/test_threats.py -k process"),
    _m("activities/sandbox/levels.py", 'options = ["--cap-drop", "ALL", *_identity_options(), *_userns_options()]', "options = []", "activities/sandbox/test_sandbox.py -k power"),
    _m("activities/sandbox/levels.py", '    seccomp.restrict("landlock")\n', "", "activities/sandbox/test_threats.py -k landlock"),
    _m("activities/system/directories.py", "    if (status.st_dev, status.st_ino) != expected.identity:\n", "    if False:\n", "activities/system/test_directories.py"),
    # agents
    _m("activities/agents/environment.py", '_ALLOWED = ("PATH", "LANG", "TERM")', '_ALLOWED = ("PATH", "LANG")', f"{_PROMISES} -k variable"),
    _m("activities/agents/environment.py", '_ALLOWED = ("PATH", "LANG", "TERM")', '_ALLOWED = ("PATH", "LANG", "TERM", "EDITOR")', f"{_PROMISES} -k variable"),
    _m("activities/agents/secrets.py", "end = len(whole) if (shift + len(secret)) % 3 == 0 else len(whole) - 1", "end = len(whole)", "activities/agents/test_secrets.py"),
    _m("epw/core/decisions/approval.py", 'REPOSITORY = "HEAD", "objects", "refs"', 'REPOSITORY = "HEAD", "objects", "refs", "nothing"', "workflows/test_approval.py -k planted"),
    # service
    _m("epw/service/door.py", "    if owner != os.geteuid():\n        return False\n", "", "service/test_door.py -k another_user"),
    _m("epw/service/door.py", "if any(each == ancestor.pid and abs(began - ancestor.create_time()) < 1 for each, began in workers):", "if False:", "service/test_door.py -k descends"),
    _m("epw/service/walled_server.py", 'if any(origin not in [b"http://" + host for host in hosts] for origin in named.get(b"origin", [])):', "if False:", "service/test_door.py -k whose_request"),
    _m("epw/service/startup.py", "            ctypes.memset(start, 0, end - start)\n", "            pass\n", "activities/sandbox/test_threats.py -k own_variables"),
    # commands
    _m("epw/client/collection.py", "    elif found.alone and not ids:\n", "    elif False:\n", _STORAGE),
    _m("epw/client/collection.py", 'if execution.has_half_delivery() or (execution.path / "apply/blocked").is_file():', "if execution.has_half_delivery():", f"{_PROMISES} -k gc"),
    _m("epw/cli/gc.py", "agreed = bool(removable) and not dry_run and (yes or _agreed(removable, as_json=as_json))", "agreed = bool(removable) and not dry_run", _STORAGE),
    _m("epw/client/start.py", "id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,", "", f"{_PROMISES} -k used_again"),
    # workflows
    _m("epw/core/execution/reuse.py", '"keep", "network", "sandbox")', '"keep", "network")', f"{_PROMISES} -k setting"),
    _m("epw/core/execution/reuse.py", '_SETTINGS = ("workspace", "setup",', '_SETTINGS = ("workspace",', "whole/test_promises.py -k setting"),
    _m("epw/core/execution/state.py", "return self.paused or self.awaits_budget or self.stopping", "return self.awaits_budget or self.stopping", f"{_PROMISES} -k pause"),
    _m("epw/core/execution/exit_status.py", 'Outcome("cancelled", 4)', 'Outcome("cancelled", 1)', _ENDED),
    _m("epw/core/execution/exit_status.py", 'Outcome("failed", 1, failures', 'Outcome("failed", 0, failures', _ENDED),
    _m("epw/core/schedule/pattern_index.py", "        for group in (*groups, self._beneath.get(start, {})):\n", "        for group in groups:\n", _SCHEDULE),
    _m("epw/core/schedule/scheduler.py", "rank = (-self._priorities.get(task, 0), -self._graph.bottom_level[task], self._order[task])", "rank = (-self._graph.bottom_level[task], -self._priorities.get(task, 0), self._order[task])", _SCHEDULE),
    _m("epw/core/schedule/scheduler.py", "        if agent <= self._max_agents:\n", "        if True:\n", f"{_PROMISES} -k surplus"),
    _m("epw/core/schedule/scheduler.py", "            if not self._blocking[after] and after not in self._abandoned:\n", "            if not self._blocking[after]:\n", f"{_PROMISES} -k surplus"),
    _m("epw/core/plan/graph.py", "minutes[task] = self.minutes[task] + rest", "minutes[task] = self.minutes[task]", _SCHEDULE),
    _m("epw/core/execution/compensation.py", "return list(reversed(self._steps))", "return list(self._steps)", f"{_PROMISES} -k newest"),
    # checks of merges
    _m("activities/checkers/merge_checks.py", "return not finding.is_data and any(", "return any(", "activities/checkers/test_readers.py -k decides"),
    _m("activities/checkers/differential.py", "if wording(each) not in known and (", "if (", "activities/checkers/test_differential.py"),
    _m("activities/checkers/differential.py", "lines.add((each.path, each.rule, _line(content(each.path), each.line)))", "pass", "activities/checkers/test_differential.py"),
    _m("activities/checkers/landing_checks.py", "        messages = earlier.checker_messages if earlier is not None else []\n", "        messages = []\n", "activities/checkers/test_checks.py -k rerun"),
    _m("activities/processes/launcher.py", "inside = self._sandboxed(argv, cwd or self.cwd)", "inside = self._sandboxed(argv, self.cwd)", "cli/test_merge_check.py -k side_by_side"),
    _m("workflows/merge_checks.py", "if self._execution.batches or self.first([row.task_id]):", "if True:", "activities/checkers/test_checks.py -k others_land"),
    _m("activities/conflicts/names/check.py", "if name in kept or rule.is_there(", "if rule.is_there(", "activities/conflicts/test_names.py"),
    _m("activities/conflicts/structural/node_merge.py", "        if named[0] & named[1]:\n            raise Refused\n", "", "activities/conflicts/test_structural.py activities/conflicts/test_structure_corpus.py"),
    _m("activities/conflicts/structural/node_merge.py", "            elif part.text != before[part.key].text:\n                raise Refused\n", "", "activities/conflicts/test_structural.py activities/conflicts/test_structure_corpus.py"),
)  # fmt: skip
