"""Every kind of broken input in a few examples: `make fuzz` tries thousands, with other seeds."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz import samples
from tests.fuzz.kinds import ALL_KINDS
from tests.fuzz.outcomes import GOOD, judge

FEW = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", autouse=True)
def _prepared_samples():
    samples.prepare()
    yield
    samples.remove()


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
def test_right_or_one_line(kind):
    @FEW
    @given(kind.inputs)
    def holds(description):
        with tempfile.TemporaryDirectory() as folder:
            outcome = judge(kind, description, Path(folder))
        assert outcome.verdict in GOOD, f"{kind.name}: {description!r}: {outcome.verdict}: {outcome.said}"

    holds()
