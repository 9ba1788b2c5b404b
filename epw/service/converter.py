"""Payloads: JSON by pydantic; what cannot be decoded fails its execution, readably, instead of hanging it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.exceptions import ApplicationError, FailureError

from epw.core.errors import InvalidPlan


class StrictPayloadConverter(PydanticPayloadConverter):
    """Any other exception than a failure, raised while a workflow's input is decoded, is retried for ever."""

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        try:
            return super().from_payloads(payloads, type_hints)
        except FailureError:
            raise
        except Exception as error:
            why = " ".join(str(error).split())[:300]
            message = f"the input is no JSON that can be read: {why}"
            raise ApplicationError(message, type=InvalidPlan.__name__, non_retryable=True) from None


data_converter = replace(pydantic_data_converter, payload_converter_class=StrictPayloadConverter)
