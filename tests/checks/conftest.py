"""The assertions in bank.py, the base class of this folder's tests, tell what they compared."""

import pytest

pytest.register_assert_rewrite("bank")
