"""Laws of ``transform``: codes have names, each row has its own, and ``inverse_transform`` leads back."""

import numpy as np

from tests.contract.discovery import as_array, bundled, experience, for_methods, has, taught

coding = for_methods(has("transform"))


@coding
def test_each_column_has_a_name_of_its_own(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    names = method.get_feature_names_out()
    assert as_array(method.transform(data.X)).shape == (len(data), len(names)) and len(set(names)) == len(names)


@coding
def test_each_row_is_coded_alone(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    whole = as_array(method.transform(data.X))
    for rows in (slice(0, 1), slice(3, 9), [5, 2, 5]):
        np.testing.assert_allclose(as_array(method.transform(data.X[rows])), whole[rows], rtol=1e-9, atol=1e-9)


@coding
def test_fit_transform_is_fit_and_transform(cls, seed):
    data = experience(cls, seed)
    both = cls.example().fit_transform(*data.parts())
    both = both[0] if isinstance(both, tuple) else both  # codes of the inputs, then of the targets
    np.testing.assert_array_equal(as_array(both), as_array(taught(cls, seed)[0].transform(data.X)))


@for_methods(has("transform", "inverse_transform"))
def test_inverse_transform_undoes_transform(cls, seed):
    for data in (experience(cls, seed), bundled(cls)):
        method = data.teach(cls.example())
        back = as_array(method.inverse_transform(method.transform(data.X)))
        if method.transform(data.X[:1]).shape[1] >= data.X.shape[1]:
            np.testing.assert_allclose(back, data.X, rtol=1e-8, atol=1e-8)
        else:  # fewer codes than columns: nearer than the mean, and a second round changes nothing
            again = as_array(method.inverse_transform(method.transform(back)))
            assert ((back - data.X) ** 2).sum() < ((data.X - data.X.mean(0)) ** 2).sum()
            np.testing.assert_allclose(again, back, rtol=1e-6, atol=1e-6)
