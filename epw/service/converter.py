"""Data converter: JSON by pydantic; input that cannot be decoded fails its execution instead of blocking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.exceptions import ApplicationError, FailureError

from epw.core.errors import InvalidPlan


class StrictPayloadConverter(PydanticPayloadConverter):
    """Converter that raises a failure for bad input: Temporal retries a workflow task for ever on other exceptions."""

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        try:
            return super().from_payloads(payloads, type_hints)
        except FailureError:
            raise
        except Exception as error:
            why = " ".join(str(error).split())[:300]
            message = f"the input is not valid JSON: {why}"
            raise ApplicationError(message, type=InvalidPlan.__name__, non_retryable=True) from None


data_converter = replace(pydantic_data_converter, payload_converter_class=StrictPayloadConverter)
