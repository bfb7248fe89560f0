"""Requests move along the table of transitions only."""

import itertools

import pytest

from apps.certificates import states
from apps.certificates.models import CertificateRequest, RequestState
from apps.errors import InvalidTransition


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(RequestState, RequestState)), ids=str
)
def test_a_row_that_is_not_written_yet_moves_along_the_table_only(before, after):
    row = CertificateRequest(state=before, tbs_der=b"content")
    if after in states.TRANSITIONS[before]:
        states.apply_to_instance(row, states.transition(row, after, tbs_der=b""))
        assert (row.state, row.tbs_der) == (after, b"")
    else:
        with pytest.raises(InvalidTransition, match=f"{before}"):
            states.apply_to_instance(row, states.transition(row, after, tbs_der=b""))
        assert (row.state, row.tbs_der) == (before, b"content")
    with pytest.raises(InvalidTransition):
        states.transition(CertificateRequest(state=RequestState.ISSUED), before)
