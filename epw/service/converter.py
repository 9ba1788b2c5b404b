"""Data converter: JSON by pydantic, encrypted where the user has keys for it.

Input that cannot be decoded fails its execution instead of blocking it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import ApplicationError, FailureError

from epw.core.errors import InvalidPlan, Unavailable
from epw.service.encrypted import ENCODING, ENCRYPTED, no_keys


class StrictPayloadConverter(PydanticPayloadConverter):
    """Converter that raises a failure for bad input: Temporal retries a workflow task for ever on other exceptions.

    What is encrypted and was not decrypted is no bad input: `Unavailable`, and a workflow waits for the keys.
    """

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        for payload in payloads:
            if payload.metadata.get(ENCODING) == ENCRYPTED:
                raise Unavailable(no_keys(payload))
        try:
            return super().from_payloads(payloads, type_hints)
        except FailureError:
            raise
        except Exception as error:
            why = " ".join(str(error).split())[:300]
            message = f"the input is not valid JSON: {why}"
            raise ApplicationError(message, type=InvalidPlan.__name__, non_retryable=True) from None


data_converter = replace(pydantic_data_converter, payload_converter_class=StrictPayloadConverter)
"""Without encryption."""


def converter_with(key_ring: Path | None) -> DataConverter:
    """The converter that encrypts payloads and texts of failures by the keys of a file; None: in clear text.

    Raises `Unavailable` where the file or what it needs is missing.
    """
    if key_ring is None:
        return data_converter
    # Imported here: most users have no keys.
    from epw.service.payload_encryption import EncryptedPayloads, KeyRing

    return replace(
        data_converter,
        payload_codec=EncryptedPayloads(KeyRing.read(key_ring)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
