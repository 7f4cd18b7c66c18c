import pytest

pytest.register_assert_rewrite("tests.faults.sound", "tests.faults.phases", "tests.faults.sending")
