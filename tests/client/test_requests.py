"""Answers of which the question is not named: to the one that is open, unless the answer itself was left out."""

from __future__ import annotations

from typing import Any

import pytest

from epw.client.requests import choose_question
from epw.core.errors import InvalidRequest


def asked(identifier: str, answer: str | None = None, *options: str) -> dict[str, Any]:
    return {"id": identifier, "taskId": "a", "text": "Which?", "options": list(options), "answer": answer}


@pytest.mark.parametrize("name", ["q1", "q2"])
def test_the_id_of_a_question_is_no_answer(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{name} is the id of a question; the answer to it is missing"):
        choose_question("e", [asked("q1", "x"), asked("q2")], name)


def test_an_option_that_reads_like_an_id_is_an_answer() -> None:
    assert choose_question("e", [asked("q1", "x"), asked("q2", None, "q1", "q2")], "q1") == "q2"


def test_words_answer_the_one_open_question() -> None:
    assert choose_question("e", [asked("q1", "x"), asked("q2")], "q3") == "q2"
