"""Methods take a table as it was read: its columns keep their names."""

import numpy as np
import pytest

import peira
from peira.core.errors import DataError
from peira.linear import LinearRegression


def test_a_table_of_numbers_is_experience():
    table = peira.read("example:diabetes")
    X, y = table.drop("progression"), table["progression"]
    model = LinearRegression().fit(X, y)
    assert list(model.feature_names_in_) == X.names
    assert "bmi" in str(model.summary())
    array = np.column_stack([X[name] for name in X.names])
    np.testing.assert_array_equal(model.predict(X), LinearRegression().fit(array, y).predict(array))
    with pytest.raises(DataError, match="in this order"):
        model.predict(X.select(X.names[::-1]))
