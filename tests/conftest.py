"""What all tests share: the seed, one thread, and that none has a time to keep."""

import os

# Before numpy and torch are imported: one thread in every pool, so that parallel test processes do not fight.
for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{pool}_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("peira", deadline=None)
settings.load_profile("peira")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=0, help="seed of every random test (default 0)")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The one seed of a test; ``pytest --seed N`` shows that no test lives off a lucky number."""
    return request.config.getoption("--seed")
