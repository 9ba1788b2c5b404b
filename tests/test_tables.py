"""Tables of the documentation are those that the product decides by."""

from __future__ import annotations

import re

from epw.core.failures import FAILURES
from tests.tables import PAGE, page
from tests.test_architecture import modules


def test_the_page_of_errors_is_made_from_the_records() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.tables`"


def test_every_failure_is_raised_somewhere() -> None:
    """A record that nothing raises is a promise of the page that nothing keeps."""
    text = "\n".join(path.read_text() for name, path in modules().items() if name != "epw.core.failures")
    classes = ("InvalidPlan", "InvalidRequest", "Unavailable", "Fenced")
    for type in FAILURES:
        constant = re.sub(r"(?<!^)(?=[A-Z])", "_", type).upper()
        assert f"failures.{constant}" in text or constant in text or type in classes, type
