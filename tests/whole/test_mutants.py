"""The list of mutants keeps up with the code: each can still be put in. (`make soak` tries them.)"""

from __future__ import annotations

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}-{mutant.old.strip()[:30]}")
def test_a_mutant_stands_once_in_its_file_and_its_tests_are_there(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new
    for name in mutant.tests.partition(" -k ")[0].split():
        assert (ROOT / "tests" / name).is_file()


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 40
