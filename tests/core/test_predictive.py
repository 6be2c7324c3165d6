"""Laws that every predictive distribution obeys, and the shapes and errors at its door."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from peira.core.predictive import Affine, Categorical, Empirical, Mixture, Normal, Predictive, StudentT

MEAN, STD = np.array([-1.5, 0.0, 20.0]), np.array([0.3, 1.0, 7.0])


def continuous():
    """Distributions with a density over three targets each, by name."""
    normal, student = Normal(MEAN, STD), StudentT([3.0, 2.5, 30.0], MEAN, STD)
    far = Mixture([0.3, 0.0, 0.7], [Normal(MEAN, STD), Normal(MEAN + 900, STD), Normal(MEAN + 40, STD / 50)])
    return {
        "normal": normal,
        "student": student,
        "heavy": StudentT(1.2, MEAN, STD),
        "mixture": Mixture([[0.2, 0.8], [0.5, 0.5], [0.99, 0.01]], [normal, student]),
        "far": far,
        "affine": Affine(far, -7.0, 0.2),
        "nested": Mixture([0.5, 0.5], [far, Normal(MEAN - 3, STD)]),
    }


def everything():
    rng = np.random.default_rng(5)
    return continuous() | {
        "empirical": Empirical(rng.normal(size=(40, 3))),
        "categorical": Categorical(rng.dirichlet(np.ones(4), size=3), [2.0, -1.0, 7.0, 3.5]),
        "point": Normal(MEAN, 0.0),
    }


@pytest.fixture(params=list(continuous()))
def smooth(request) -> Predictive:
    return continuous()[request.param]


@pytest.fixture(params=list(everything()))
def any_one(request) -> Predictive:
    return everything()[request.param]


def breaks(d):
    """Where quadrature should look: quantiles of each entry."""
    return d.quantile([1e-9, 1e-6, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9])


def quad(f, points):
    """An integral over the line by another route: the tanh-sinh rule between the points."""
    edges = np.unique([-np.inf, *np.ravel(points), np.inf])
    return integrate.tanhsinh(f, edges[:-1], edges[1:], atol=1e-14, rtol=1e-13).integral.sum()


class TestLaws:
    def test_density_integrates_to_one_and_to_the_cdf(self, smooth):
        marks = breaks(smooth)
        for i in range(3):
            one, points = smooth[i], marks[:, i]
            assert quad(lambda x, d=one: np.exp(d.log_prob(x)), points) == pytest.approx(1, abs=1e-9)
            middle = one.median + 0.1 * (marks[8, i] - marks[4, i])
            below = quad(lambda x, d=one, m=middle: np.exp(d.log_prob(x)) * (x <= m), np.sort([*points, middle]))
            assert one.cdf(middle) == pytest.approx(below, abs=1e-9)

    def test_cdf_undoes_quantile(self, smooth):
        q = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.77, 0.99, 1 - 1e-6])
        x = smooth.quantile(q)
        # the quantile is rounded to a float64, which moves the level by density times spacing; so is what
        # Affine computes with, which is shifted by 7
        slack = 2 * np.exp(smooth.log_prob(x)) * np.spacing(abs(x) + 7) + 1e-13 * q[:, None] + 2e-16
        np.testing.assert_array_less(abs(smooth.cdf(x) - q[:, None]), slack)

    def test_quantile_is_the_smallest_that_reaches_the_level(self, any_one):
        q = np.array([0.0001, 0.1, 0.25, 0.5, 0.6, 0.95, 0.9999])
        x = any_one.quantile(q)
        assert np.all(any_one.cdf(x + 1e-9 * (1 + abs(x))) >= q[:, None])
        assert np.all(any_one.cdf(x - 1e-9 * (1 + abs(x))) <= q[:, None] + 1e-6)
        assert np.all(np.diff(x, axis=0) >= 0)

    def test_moments_are_those_of_the_density(self, smooth):
        marks = breaks(smooth)
        for i in range(3):
            d, points = smooth[i], marks[:, i]
            c = float(d.median)
            mean = c + quad(lambda x, d=d, c=c: (x - c) * np.exp(d.log_prob(x)), points)
            assert d.mean == pytest.approx(mean, rel=1e-6, abs=1e-6)
            if np.isfinite(d.variance) and not isinstance(d, StudentT) and "StudentT" not in repr(smooth):
                variance = quad(lambda x, d=d, m=mean: (x - m) ** 2 * np.exp(d.log_prob(x)), points)
                assert d.variance == pytest.approx(variance, rel=1e-4)

    def test_entropy_is_the_expected_log_density(self, smooth):
        marks, entropy = breaks(smooth), smooth.entropy()
        for i in range(3):

            def f(x, d=smooth[i]):
                log_p = np.maximum(d.log_prob(x), -740)
                return -log_p * np.exp(log_p)

            assert entropy[i] == pytest.approx(quad(f, marks[:, i]), abs=2e-7)

    def test_crps_is_its_integral(self, any_one):
        marks = np.sort(breaks(any_one), 0)
        for y in (np.array([-1.4, 3.0, 20.5]), np.array([-90.0, 0.0, 400.0])):
            score = any_one.crps(y)
            for i in range(3):
                d = any_one[i]
                points = np.unique([*marks[:, i], y[i], *(getattr(any_one, "samples", marks)[:, i])])
                if isinstance(d, Categorical):
                    points = np.unique([*d.labels, y[i]])
                expected = quad(lambda x, d=d, t=y[i]: (d.cdf(x) - (x >= t)) ** 2, points)
                assert score[i] == pytest.approx(expected, rel=1e-7, abs=1e-9)

    def test_samples_have_the_moments_and_the_cdf(self, any_one, seed):
        n = 20_000
        x = any_one.sample(n, seed)
        assert x.shape == (n, 3)
        for level in (0.05, 0.5, 0.8):
            at = any_one.quantile(level)
            p = any_one.cdf(at)
            np.testing.assert_array_less(abs((x <= at).mean(0) - p), 4.5 * np.sqrt(p * (1 - p) / n) + 1e-12)
        finite = np.isfinite(any_one.std) & (any_one.std < 100)
        bound = 5 * any_one.std / np.sqrt(n) + 1e-12
        np.testing.assert_array_less(abs(x.mean(0) - any_one.mean)[finite], bound[finite])

    def test_samples_repeat_and_leave_the_global_generators_alone(self, any_one):
        before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
        np.testing.assert_array_equal(any_one.sample(5, 3), any_one.sample(5, np.random.default_rng(3)))
        assert not np.array_equal(any_one.sample(50, 3), any_one.sample(50, 4)) or isinstance(any_one, Normal)
        np.testing.assert_array_equal(before, np.random.get_state()[1])
        assert torch.equal(torch_before, torch.get_rng_state())

    @pytest.mark.parametrize("name", [name for name, d in continuous().items() if np.isfinite(d.std).all()])
    def test_expected_crps_is_half_the_expected_distance(self, name, seed):
        """E CRPS(F, Y) = E|X - X'| / 2 when Y is drawn from F: the score of a true forecast."""
        smooth, n = continuous()[name], 3_000
        y, x1, x2 = smooth.sample(n, seed), smooth.sample(n, seed + 1), smooth.sample(n, seed + 2)
        scores, half = smooth.crps(y), abs(x1 - x2) / 2
        error = np.sqrt((scores.var(0) + half.var(0)) / n)
        np.testing.assert_array_less(abs(scores.mean(0) - half.mean(0)), 5 * error)

    def test_derived_verbs(self, any_one):
        low, high = any_one.interval(0.9)
        np.testing.assert_allclose(low, any_one.quantile(0.05), rtol=1e-13)
        np.testing.assert_allclose(high, any_one.quantile(0.95), rtol=1e-13)
        np.testing.assert_array_equal(any_one.median, any_one.quantile(0.5))
        np.testing.assert_allclose(any_one.std**2, any_one.variance, rtol=1e-14)


class TestShapes:
    @pytest.mark.parametrize("shape", [(0,), (1,), (2,), (3,), (0, 2), (3, 1), (2, 3), ()])
    def test_every_size_answers_in_its_shape(self, shape):
        loc = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
        normal = Normal(loc, 1.0)
        probs = np.full((*shape, 4), 0.25)
        for d in (
            normal,
            StudentT(3.0, loc, 2.0),
            Mixture([0.5, 0.5], [normal, StudentT(3.0, loc, 2.0)]),
            Empirical(np.stack([loc, loc + 1])),
            Categorical(probs),
        ):
            assert d.shape == shape
            for value in (d.mean, d.std, d.variance, d.median, d.cdf(loc), d.crps(loc), d.cdf(0.0)):
                assert np.shape(value) == shape
            assert d.quantile([0.1, 0.9]).shape == (2, *shape)
            assert d.sample(4, 0).shape == (4, *shape)
            assert d.sample(0, 0).shape == (0, *shape)
            assert d.cdf(np.stack([loc] * 5)).shape == (5, *shape)
            assert d.crps(np.stack([loc] * 5)).shape == (5, *shape)
            if not isinstance(d, Empirical):
                assert np.shape(d.entropy()) == shape and np.shape(d.log_prob(loc)) == shape
            if shape:
                assert len(d) == shape[0]

    def test_indexing_is_numpy_indexing(self, any_one):
        mean = any_one.mean
        for index in (0, -1, slice(None, None, -1), slice(1, 3), [2, 0, 0], np.array([True, False, True])):
            part = any_one[index]
            np.testing.assert_allclose(part.mean, mean[index], rtol=1e-15)
            np.testing.assert_allclose(part.quantile(0.3), any_one.quantile(0.3)[index], rtol=1e-15)
            np.testing.assert_allclose(part.crps(1.0), any_one.crps(1.0)[index], rtol=1e-13)
        assert [float(one.median) for one in any_one] == any_one.median.tolist()
        with pytest.raises(IndexError):
            any_one[3]
        with pytest.raises(TypeError, match="single target"):
            len(any_one[0])

    def test_indexing_two_axes(self):
        loc = np.arange(6.0).reshape(3, 2)
        for d in (Normal(loc, 1.0), StudentT(3, loc, 1.0), Empirical(loc[None]), Categorical(np.full((3, 2, 1), 1.0))):
            np.testing.assert_array_equal(d[:, 1].mean, d.mean[:, 1])
            np.testing.assert_array_equal(d[1].mean, d.mean[1])
            assert d[[2, 0]].shape == (2, 2)

    def test_numpy_in_numpy_out_tensor_in_tensor_out(self):
        loc = torch.arange(3, dtype=torch.float32)
        for build in (
            lambda m: Normal(m, 1.0),
            lambda m: StudentT(3.0, m, 1.0),
            lambda m: Mixture([0.5, 0.5], [Normal(m, 1.0), Normal(m, 2.0)]),
            lambda m: Empirical(m[None]),
            lambda m: Categorical(0 * m[:, None] + 0.5 + 0 * m[:2]),
        ):
            tensors, arrays = build(loc), build(loc.numpy())
            for verb in (lambda d: d.mean, lambda d: d.quantile(0.2), lambda d: d.crps(1.0), lambda d: d.sample(2, 0)):
                t, a = verb(tensors), verb(arrays)
                assert isinstance(t, torch.Tensor) and isinstance(a, np.ndarray)
                np.testing.assert_array_equal(t.numpy(), a)
            assert tensors.mean.dtype == torch.float64
        assert isinstance(Normal(loc, 1.0, as_numpy=True).mean, np.ndarray)
        assert isinstance(Normal(np.zeros(2), 1.0, as_numpy=False).mean, torch.Tensor)

    def test_wrong_shapes_are_refused(self, any_one):
        for y in (np.zeros(2), np.zeros((3, 1)), np.zeros((1, 3, 1))):
            with pytest.raises(ValueError, match=r"targets of shape \(3,\)"):
                any_one.log_prob(y) if isinstance(any_one, Categorical) else any_one.cdf(y)

    def test_wrong_levels_are_refused(self, any_one):
        for q in (-0.1, 1.1, np.nan, [0.5, 2.0]):
            with pytest.raises(ValueError, match=r"q must lie in \[0, 1\]"):
                any_one.quantile(q)
        with pytest.raises(ValueError, match="level"):
            any_one.interval(1.0)
        with pytest.raises(ValueError, match="n must be"):
            any_one.sample(-1)


class Logistic(Predictive):
    """A family that knows only what it must: the rest is derived."""

    def __init__(self, m):
        self.m = torch.as_tensor(m, dtype=torch.float64)
        self._set(self.m.shape, self.m.device, True)

    def _mean(self):
        return self.m

    def _variance(self):
        return torch.full_like(self.m, np.pi**2 / 3)

    def _log_prob(self, y):
        z = (y - self.m).abs()
        return -z - 2 * torch.log1p((-z).exp())

    def _cdf(self, y):
        return torch.sigmoid(y - self.m)

    def _draw(self, n, rng):
        return self.m + torch.as_tensor(rng.logistic(size=(n, *self.shape)))

    def _take(self, positions):
        return Logistic(self.m[positions])


def test_everything_follows_from_the_required_few():
    d, reference = Logistic([0.0, 50.0]), stats.logistic([0.0, 50.0])
    q = np.array([1e-10, 0.2, 0.5, 0.999])
    np.testing.assert_allclose(d.quantile(q), [reference.ppf(p) for p in q], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(d.entropy(), [2.0, 2.0], rtol=1e-12)
    # Jordan, Krueger and Lerch (2019): CRPS of the standard logistic is z - 2 log F(z) - 1
    y = np.array([1.3, -5.0])
    np.testing.assert_allclose(d.crps(y), y - [0, 50] - 2 * reference.logcdf(y) - 1, rtol=1e-12)
    assert d.quantile(0).tolist() == [-np.inf] * 2 and d.quantile(1).tolist() == [np.inf] * 2
