"""Help of a command in plain words: names of arguments as the usage line has them, an example at the end."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
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


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.opts[-1].lstrip("-").replace("_", "-").upper())


def _in_usage(argument: Any) -> str:
    name = _name(argument)
    if " " in name:
        return name
    many = "..." if argument.nargs != 1 else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"
