"""The door for sequences: what is no sequence, and the sentences that say so."""

import numpy as np
import pytest

from peira.core import DataError
from peira.core.sequences import open_sequences, open_symbols


def test_messages_show_symbols_as_people_write_them():
    _, letters = open_symbols(["abba"], owner="M")
    with pytest.raises(DataError, match="symbols such as 'a'; X holds 1$"):
        open_symbols([[1, 2]], owner="M", symbols=letters)
    _, numbers = open_symbols([[3, 1]], owner="M")
    with pytest.raises(DataError, match="symbols such as 1; X holds 'a'$"):
        open_symbols(["ab"], owner="M", symbols=numbers)
    with pytest.raises(DataError, match="it knows 2, such as 'a', 'b'$"):
        open_symbols(["abc"], owner="M", symbols=letters)


@pytest.mark.parametrize(("X", "held"), [([[1.0], "ab"], "'a'"), (["", "ab"], "texts"), ([np.array(["x"])], "'x'")])
def test_texts_are_no_numbers_even_where_the_first_is_empty(X, held):
    with pytest.raises(DataError, match=rf"sequences of numbers; sequence \d of X holds {held}$"):
        open_sequences(X, owner="M", empty_ok=True)
