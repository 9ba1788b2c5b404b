"""Help of a command in plain words: names of arguments as the usage line has them, an example at the end."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any

from typer.core import TyperCommand

_AFTER = "--after"
_COUNTED = "N"
"""Metavar of an `--after` that means the argument behind which it stands."""
_TYPE = re.compile(r"<[^>]*>")


class PlainCommand(TyperCommand):
    """Command whose help shows `epw run [PLAN]`, where Typer's own has `epw run [plan]` and `plan <str>`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        valued = {name for each in self.params if not getattr(each, "is_flag", True) for name in each.opts}
        known = [name for each in self.get_params(ctx) for name in (*each.opts, *each.secondary_opts)]
        if (unknown := unknown_option(args, valued, known)) is not None:
            takes_plan = any(each.name in ("plan", "plan_option") for each in self.params)
            ctx.fail(f"No such option: {unknown}{meant(unknown, known, _plan_fields() if takes_plan else ())}")
        if any(each.name == "task" for each in self.params):
            args = set_apart(args, valued, known)
        is_counted = any(_AFTER in each.opts and getattr(each, "metavar", "") == _COUNTED for each in self.params)
        return list(super().parse_args(ctx, placed(args, valued) if is_counted else args))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(_in_usage(each) for each in self.get_params(ctx) if each.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None:
                is_argument = each.param_type_name == "argument"
                names = _name(each) if is_argument else _TYPE.sub(_name(each), record[0])
                rows[each.param_type_name].append((names, record[1]))
        for title, found in (("Arguments", rows["argument"]), ("Options", rows["option"])):
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)


def unknown_option(args: Sequence[str], valued: Container[str], known: Container[str]) -> str | None:
    """The first long option that is none of those known."""
    rest = iter(args)
    for each in rest:
        if each == "--":
            return None
        name, equals, _ = each.partition("=")
        if name in valued and not equals:
            next(rest, None)
        elif name.startswith("--") and name not in known:
            return name
    return None


def meant(option: str, known: Sequence[str], fields: Iterable[str]) -> str:
    """What a user may have meant by an option that is none: another option, or a field of the plan."""
    options = {_plain(each): each for each in known if each.startswith("--")}
    in_plan = {_plain(each): each for each in fields}
    close = get_close_matches(_plain(option), [*options, *in_plan], n=1, cutoff=0.6)
    if not close:
        return ""
    if close[0] in options:
        return f"; did you mean {options[close[0]]}?"
    field = in_plan[close[0]]
    return f"; `{field}` is a field of the plan, and no option: write `{field}: ...` in it"


def _plan_fields() -> list[str]:
    # Only where an option is not known: importing the plan takes a moment.
    from epw.core.plan.model import Plan

    return [info.alias or name for name, info in Plan.model_fields.items()]


def _plain(name: str) -> str:
    return name.replace("-", "").lower()


def placed(args: Sequence[str], valued: Container[str]) -> list[str]:
    """Arguments in which `--after N` also says behind which argument, counted from 1, it stood: `--after 2:N`.

    `valued`: the options that take a value.
    """
    made: list[str] = []
    count, rest = 0, iter(args)
    for each in rest:
        name, _, value = each.partition("=")
        if each == "--":
            return [*made, each, *rest]
        if name == _AFTER:
            made.append(f"{_AFTER}={count}:{value or next(rest, '')}")
        elif each in valued:
            made += [each, *islice(rest, 1)]
        else:
            count += each == "-" or not each.startswith("-")
            made.append(each)
    return made


def set_apart(args: Sequence[str], valued: Container[str], known: Container[str]) -> list[str]:
    """Arguments of which one that begins with - and is no option stands behind `--`: a task's id can be `-dash`."""
    options, names = list[str](), list[str]()
    rest = iter(args)
    for each in rest:
        if each == "--":
            names += rest
        elif not each.startswith("-") or each == "-" or (each[1] != "-" and each[:2] not in known):
            names.append(each)
        else:
            options.append(each)
            options += islice(rest, 1) if each in valued else []
    return [*options, "--", *names]


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.opts[-1].lstrip("-").replace("_", "-").upper())


def _in_usage(argument: Any) -> str:
    name = _name(argument)
    if " " in name:
        return name
    many = "..." if argument.nargs != 1 else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"
