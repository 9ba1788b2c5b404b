"""Checker of Java: javac, with sources of other modules and the jars that are here; without annotation processors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from activities.checkers.checker import Checker, Job, Message, Output, Place, relative
from activities.checkers.jars import JAR_FOLDERS, jars_of, source_roots
from activities.system.directories import walk

_ERROR = re.compile(r"(?P<path>.+?\.java):(?P<line>\d+): error: (?P<text>.*)")
_WARNING = re.compile(r".+?\.java:\d+: warning: .*")
_DETAIL = re.compile(r"\s+(symbol|location|required|found|reason):\s+(?P<text>.*)")


def _command(place: Place, job: Job) -> list[str]:
    sources = place.cache / "sources"
    top = place.folder(job)
    files = sorted(
        str(top / folder.path / name)
        for folder in walk(top)
        for name in folder.files
        if name.endswith(".java") and name not in ("module-info.java", "package-info.java")
    )
    sources.write_text("".join(f"{_quoted(path)}\n" for path in files))
    argv = [*place.program, "-proc:none", "-implicit:none", "-Xlint:none", "-nowarn", "-Xmaxerrs", "100000"]
    # Else errors of one phase hide those of the next.
    argv += ["-XDshould-stop.ifError=FLOW", "-encoding", "UTF-8", "-d", str(place.cache / "classes")]
    if jars := jars_of(place.tree):
        argv += ["-classpath", os.pathsep.join(jars)]
    if roots := source_roots(place.tree, but=job.folder):
        argv += ["-sourcepath", os.pathsep.join(roots)]
    options = place.cache / "options"
    options.write_text("".join(f"{_quoted(each)}\n" for each in argv[len(place.program) :]))
    return [*place.program, f"@{options}", f"@{sources}"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    lines = output.err.splitlines()
    found = 0
    for number, line in enumerate(lines):
        error = _ERROR.fullmatch(line)
        if error is None:
            continue
        found += 1
        details = []
        for each in lines[number + 1 :]:
            if _ERROR.fullmatch(each) or _WARNING.fullmatch(each):
                break
            if detail := _DETAIL.fullmatch(each):
                details.append(detail["text"].strip())
        path = relative(error["path"], place, job)
        if path is not None:
            yield Message(path, int(error["line"]), "javac", "; ".join([error["text"], *details]))
    if output.code and not found:
        raise output.failure()


JAVAC = Checker(
    decides=True,
    name="javac",
    language="Java",
    suffixes=(".java",),
    configs=("pom.xml", "build.gradle", "build.gradle.kts"),
    programs=("javac",),
    command=_command,
    read=_read,
    needs_config=False,
    # Without all libraries it does not follow every use, and decides nothing.
    unread=re.compile(r"package [\w.]+ does not exist|cannot find symbol|class file for \S+ not found"),
    reads_on=True,
    readable=JAR_FOLDERS,
    variables={"LC_ALL": "C.UTF-8"},
)
