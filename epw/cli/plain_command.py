"""Help of a command in plain words: names of arguments as the usage line has them, an example at the end."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_TYPE = re.compile(r"<[^>]*>")


class PlainCommand(TyperCommand):
    """Command whose help shows `epw run [PLAN]`, where Typer's own has `epw run [plan]` and `plan <str>`."""

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


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.opts[-1].lstrip("-").replace("_", "-").upper())


def _in_usage(argument: Any) -> str:
    name = _name(argument)
    if " " in name:
        return name
    many = "..." if argument.nargs != 1 else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"
