"""A few inputs of each kind; scripts/fuzz.py throws many thousands."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.subjects import SUBJECTS


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_input_ends_in_a_traceback_or_loses_a_line(name: str, trained_run: Path, tmp_path: Path) -> None:
    subject, survived = SUBJECTS[name](tmp_path, trained_run), []

    @settings(max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def throw(data: st.DataObject) -> None:
        subject.throw(data)
        survived.append(name)

    throw()
    assert len(survived) >= 25, "what must hold is asserted in subjects.py, for each of them"
