"""Prices of models in US dollars per million tokens, as published by Anthropic (platform.claude.com, pricing).

The table is `prices.json` beside this file; a file of the same form in the state directory overrides it by model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from activities.state.state_directory import StateDirectory
from epw.core.errors import InvalidRequest

_SNAPSHOT = re.compile(r"-\d{8}$")
_MILLION = 1_000_000


class Rates(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)

    input: float
    output: float
    cache_read: float
    cache_write: float


class Above(Rates):
    """Rates of requests with more input tokens than `input_tokens`."""

    input_tokens: int


class Price(Rates):
    """Rates of one model."""

    above: Above | None = None

    def cost(self, usage: dict[str, int]) -> float:
        """US dollars of one call, from its token counts."""
        read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
        plain = usage.get("input_tokens", 0)
        rates = self._rates(read + written + plain)
        parts = (
            (plain, rates.input),
            (read, rates.cache_read),
            (written, rates.cache_write),
            (usage.get("output_tokens", 0), rates.output),
        )
        return sum(tokens * rate for tokens, rate in parts) / _MILLION

    def max_cost(self, input_tokens: int, output_tokens: int) -> float:
        """Upper bound of the cost of one call, US dollars."""
        rates = self._rates(input_tokens)
        dearest = max(rates.input, rates.cache_write)
        return (input_tokens * dearest + output_tokens * rates.output) / _MILLION

    def _rates(self, input_tokens: int) -> Rates:
        return self.above if self.above and input_tokens > self.above.input_tokens else self


_TABLE = TypeAdapter(dict[str, Price])


@dataclass(frozen=True)
class Prices:
    """Prices by model."""

    table: dict[str, Price]

    @classmethod
    def read(cls, state: StateDirectory) -> Prices:
        """The published prices, overridden by the user's; raises `InvalidRequest` for an invalid file."""
        table = _TABLE.validate_json((Path(__file__).parent / "prices.json").read_bytes())
        own = state.prices
        if own.is_file():
            try:
                table |= _TABLE.validate_python(json.loads(own.read_bytes()))
            except (ValueError, ValidationError) as error:
                raise InvalidRequest(f"{own} is not a price table: {' '.join(str(error).split())[:300]}") from None
        return cls(table)

    def of(self, model: str) -> Price | None:
        """Price of a model, also of a dated snapshot (`NAME-20250101`); None where it is unknown."""
        return self.table.get(model) or self.table.get(_SNAPSHOT.sub("", model))
