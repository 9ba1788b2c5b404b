"""Checkers that read every file by itself: of Ruby, PHP and the shell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from activities.checkers.checker import Checker, Job, Message, Output, Place, relative

_RUBY = """ARGV.each do |path|
  RubyVM::InstructionSequence.compile_file(path)
rescue SyntaxError => error
  warn error.message
end
"""
_RUBY_LINE = re.compile(
    r"(?P<path>[^:\n]+\.\w+):(?P<line>\d+): (?P<text>.*(?:syntax error|is duplicated|duplicated `?'?when).*)"
)
_PHP_EACH = 'program=$1; shift; for each do "$program" -d display_errors=stderr -d log_errors=0 -l "$each"; done; true'
_PHP_LINE = re.compile(r"(?:PHP )?(?:Fatal|Parse) error: +(?P<text>.*) in (?P<path>.+) on line (?P<line>\d+)")


def _files(place: Place, job: Job) -> list[str]:
    return [str(place.tree / path) for path in job.files]


def _ruby_command(place: Place, job: Job) -> list[str]:
    return [*place.program, "-W2", "--disable=gems", "-e", _RUBY, *_files(place, job)]


def _read_ruby(place: Place, job: Job, output: Output) -> Iterator[Message]:
    yield from _lines(_RUBY_LINE, "syntax", place, job, output)


def _php_command(place: Place, job: Job) -> list[str]:
    return ["sh", "-c", _PHP_EACH, "sh", *place.program, *_files(place, job)]


def _read_php(place: Place, job: Job, output: Output) -> Iterator[Message]:
    yield from _lines(_PHP_LINE, "lint", place, job, output)


def _lines(pattern: re.Pattern[str], rule: str, place: Place, job: Job, output: Output) -> Iterator[Message]:
    if output.code:
        raise output.failure()
    for found in filter(None, map(pattern.fullmatch, output.err.splitlines())):
        path = relative(found["path"], place, job)
        if path is not None:
            yield Message(path, int(found["line"]), rule, found["text"].replace(f"{place.tree}/", ""))


def _shellcheck_command(place: Place, job: Job) -> list[str]:
    return [*place.program, "--norc", "--severity=error", "--format=json1", *_files(place, job)]


def _read_shellcheck(place: Place, job: Job, output: Output) -> Iterator[Message]:
    try:
        found = json.loads(output.out)["comments"]
    except (ValueError, LookupError):
        raise output.failure() from None
    for each in found:
        path = relative(each["file"], place, job)
        if path is not None:
            yield Message(path, each["line"], f"SC{each['code']}", each["message"])


RUBY = Checker(
    name="ruby",
    language="Ruby",
    suffixes=(".rb",),
    configs=(),
    programs=("ruby",),
    command=_ruby_command,
    read=_read_ruby,
    needs_config=False,
    each_alone=True,
)
PHP = Checker(
    name="php",
    language="PHP",
    suffixes=(".php",),
    configs=(),
    programs=("php",),
    command=_php_command,
    read=_read_php,
    needs_config=False,
    each_alone=True,
)
SHELLCHECK = Checker(
    name="shellcheck",
    language="shell",
    suffixes=(".sh", ".bash"),
    configs=(),
    programs=("shellcheck",),
    command=_shellcheck_command,
    read=_read_shellcheck,
    needs_config=False,
    each_alone=True,
)
