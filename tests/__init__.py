import pytest

# What they find is said in a failure.
pytest.register_assert_rewrite("tests.support")
