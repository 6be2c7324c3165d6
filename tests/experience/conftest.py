"""A folder of pictures, for the tests that read one."""

import pytest

from tests.experience.making_pictures import grey, put


@pytest.fixture
def animals(tmp_path):
    """Three cats and two dogs, grey."""
    for n in range(3):
        put(tmp_path / "animals" / "cat" / f"{n}.png", grey(n))
    for n in range(2):
        put(tmp_path / "animals" / "dog" / f"{n}.png", grey(10 + n))
    return tmp_path / "animals"
