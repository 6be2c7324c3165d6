"""Each family against SciPy, torch, closed forms and 40-digit arithmetic, its tails and its refusals."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from peira.core.predictive import Categorical, Empirical, Mixture, Normal, StudentT

Y = np.array([-40.0, -8.0, -1.2, 0.0, 0.7, 3.0, 25.0])


class TestNormal:
    def test_against_scipy_and_torch(self):
        m, s = np.linspace(-3, 3, 7), np.geomspace(0.1, 30, 7)
        ours, theirs = Normal(m, s), stats.norm(m, s)
        np.testing.assert_allclose(ours.log_prob(Y), theirs.logpdf(Y), rtol=1e-13)
        np.testing.assert_allclose(ours.cdf(Y), theirs.cdf(Y), rtol=1e-11)  # exp(-z^2/2) near z = 20 loses 2 digits
        np.testing.assert_allclose(ours.entropy(), theirs.entropy(), rtol=1e-14)
        for q in (1e-300, 1e-20, 0.3, 0.9):
            np.testing.assert_allclose(ours.quantile(q), theirs.ppf(q), rtol=1e-14)
        reference = torch.distributions.Normal(torch.as_tensor(m), torch.as_tensor(s))
        np.testing.assert_allclose(ours.log_prob(Y), reference.log_prob(torch.as_tensor(Y)).numpy(), rtol=1e-13)

    def test_lower_tail_keeps_its_digits(self):
        for z in (-37.0, -20.0, -6.0, -1.0, 2.0):
            with mpmath.workdps(40):
                exact = float(mpmath.ncdf(z))
            assert Normal(0.0, 1.0).cdf(z) == pytest.approx(exact, rel=1e-13 * max(1, z * z / 100))

    def test_point_mass(self):
        d = Normal([1.0, 2.0], 0.0)
        for q in (0.0, 0.2, 1.0):
            assert d.quantile(q).tolist() == [1.0, 2.0]
        assert d.cdf([1.0, 1.9]).tolist() == [1.0, 0.0]
        assert d.log_prob([1.0, 1.9]).tolist() == [np.inf, -np.inf]
        assert d.crps([4.0, 2.0]).tolist() == [3.0, 0.0]
        assert d.entropy().tolist() == [-np.inf] * 2
        assert d.sample(3, 0).tolist() == [[1.0, 2.0]] * 3

    def test_ends_of_the_support(self):
        d = Normal(5.0, 2.0)
        assert d.quantile(0) == -np.inf and d.quantile(1) == np.inf
        assert d.cdf(-np.inf) == 0 and d.cdf(np.inf) == 1
        assert d.log_prob(np.inf) == -np.inf

    def test_log_prob_is_differentiable(self):
        m, s = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (0.3, 2.0))
        assert torch.autograd.gradcheck(lambda a, b: Normal(a, b).log_prob(torch.tensor([1.0])), (m, s))
        assert torch.autograd.gradcheck(lambda a, b: Normal(a, b).crps(torch.tensor([1.0])), (m, s))

    def test_joint_covariance(self, seed):
        rng = np.random.default_rng(seed)
        A = rng.normal(size=(3, 3))
        C = A @ A.T
        d = Normal([1.0, 2.0, 3.0], covariance=C)
        np.testing.assert_allclose(d.std, np.sqrt(np.diag(C)), rtol=1e-14)
        n = 40_000
        x = d.sample(n, seed)
        error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / n)
        np.testing.assert_array_less(abs(np.cov(x.T) - C), 5 * error)
        np.testing.assert_array_equal(d[[2, 0]].covariance, C[np.ix_([2, 0], [2, 0])])
        assert d[1].covariance is None and d[1].std == d.std[1]
        assert Normal([0.0], [1.0]).covariance is None

    def test_singular_covariance_draws_exactly(self):
        x = Normal(np.zeros(3), covariance=np.ones((3, 3))).sample(10, 0)
        np.testing.assert_allclose(x - x[:, :1], 0, atol=1e-7)
        assert Normal(np.zeros(2), covariance=np.zeros((2, 2))).sample(2, 0).tolist() == [[0, 0], [0, 0]]

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"std must be finite and not negative, got -1 at 1 \(1 such"):
            Normal([0.0, 0.0], [1.0, -1.0])
        with pytest.raises(ValueError, match="std must be finite"):
            Normal([0.0], [np.nan])
        with pytest.raises(ValueError, match="location of a distribution must be finite, got nan at 0"):
            Normal([np.nan], [1.0])
        with pytest.raises(ValueError, match=r"std has shape \(3,\)"):
            Normal([0.0, 0.0], np.ones(3))
        with pytest.raises(ValueError, match=r"std has shape \(2, 1\)"):
            Normal([0.0, 0.0], np.ones((2, 1)))
        with pytest.raises(ValueError, match="either std or covariance"):
            Normal([0.0])
        with pytest.raises(ValueError, match=r"shape \(N, N\)"):
            Normal([0.0], covariance=np.ones((2, 2)))
        with pytest.raises(ValueError, match="symmetric"):
            Normal([0.0, 0.0], covariance=[[1.0, 0.5], [0.4, 1.0]])
        with pytest.raises(ValueError, match="not positive semi-definite: it has the eigenvalue -1"):
            Normal([0.0, 0.0], covariance=[[1.0, 2.0], [2.0, 1.0]]).sample(1, 0)

    def test_std_stretches_along_an_axis_of_one(self):
        d = Normal(np.zeros((3, 2)), np.array([[1.0], [2.0], [3.0]]))
        np.testing.assert_array_equal(d.std, [[1, 1], [2, 2], [3, 3]])


def exact_t_cdf(z, df):
    with mpmath.workdps(40):
        df, z = mpmath.mpf(df), mpmath.mpf(z)
        return mpmath.betainc(df / 2, mpmath.mpf(1) / 2, 0, df / (df + z * z), regularized=True) / 2


class TestStudentT:
    @pytest.mark.parametrize("df", [0.3, 1, 2.5, 7, 50, 1e3, 1e5, 1e8, 1e12])
    def test_cdf_and_quantile_to_full_precision(self, df):
        for z in (-1e8, -50.0, -8.0, -3.0, -1.0, -0.1, -1e-5):
            exact = exact_t_cdf(z, df)
            if exact > 1e-300:
                assert StudentT(df, 0.0, 1.0).cdf(z) == pytest.approx(float(exact), rel=1e-13)
        for q in (1e-300, 1e-100, 1e-20, 1e-5, 0.01, 0.2, 0.4, 0.4999):
            z = StudentT(df, 0.0, 1.0).quantile(q)
            if not (df == 0.3 and q < 1e-50):
                assert float(exact_t_cdf(z, df)) == pytest.approx(q, rel=5e-12 if q < 1e-50 else 1e-12)
            if q > 1e-15:
                assert StudentT(df, 0.0, 1.0).quantile(1 - q) == pytest.approx(-z, rel=2e-16 / q + 1e-13)

    def test_quantiles_at_the_ends(self):
        d = StudentT([0.5, 3.0, np.inf], np.zeros(3), 1.0)
        assert d.quantile(0).tolist() == [-np.inf] * 3 and d.quantile(1).tolist() == [np.inf] * 3
        assert d.quantile(0.5).tolist() == [0.0] * 3
        assert np.isfinite(StudentT(2.5, 0.0, 1.0).quantile(1e-300))

    def test_against_scipy_and_torch(self):
        df, loc, scale = np.array([0.5, 1, 2, 3, 10, 200, 1e4]), np.linspace(-2, 2, 7), np.geomspace(0.2, 9, 7)
        ours, theirs = StudentT(df, loc, scale), stats.t(df, loc, scale)
        np.testing.assert_allclose(ours.log_prob(Y), theirs.logpdf(Y), rtol=1e-11)
        np.testing.assert_allclose(ours.cdf(Y), theirs.cdf(Y), rtol=1e-11)
        np.testing.assert_allclose(ours.entropy(), theirs.entropy(), rtol=1e-10)
        reference = torch.distributions.StudentT(*(torch.as_tensor(v) for v in (df, loc, scale)))
        np.testing.assert_allclose(ours.log_prob(Y), reference.log_prob(torch.as_tensor(Y)).numpy(), rtol=1e-11)
        np.testing.assert_allclose(ours.mean, [np.nan, np.nan, *loc[2:]])
        np.testing.assert_allclose(ours.variance[3:], theirs.var()[3:], rtol=1e-13)
        assert np.isnan(ours.variance[:2]).all() and ours.variance[2] == np.inf
        np.testing.assert_array_equal([ours.df, ours.loc, ours.scale], [df, loc, scale])

    @pytest.mark.parametrize("df", [1.5, 10.0, 59.0, 61.0, 1e4, 1e9, 1e15])
    @pytest.mark.parametrize("z", [0.0, 1.0, 12.0, 1e6])
    def test_log_density_to_forty_digits(self, df, z):
        with mpmath.workdps(60):
            a, n = mpmath.mpf(df) / 2, mpmath.mpf(df)
            gammas = mpmath.loggamma(a + 0.5) - mpmath.loggamma(a)
            exact = gammas - mpmath.log(n * mpmath.pi) / 2 - (n + 1) / 2 * mpmath.log1p(mpmath.mpf(z) ** 2 / n)
        assert StudentT(df, 0.0, 1.0).log_prob(z) == pytest.approx(float(exact), rel=1e-14, abs=1e-14)

    def test_many_degrees_of_freedom_are_the_normal(self):
        for df in (1e15, 1e30, np.inf):
            t, normal = StudentT(df, Y * 0, 2.0), Normal(Y * 0, 2.0)
            for verb in ("log_prob", "cdf", "crps"):
                np.testing.assert_allclose(getattr(t, verb)(Y), getattr(normal, verb)(Y), rtol=1e-11, atol=1e-14)
            np.testing.assert_allclose(t.entropy(), normal.entropy(), rtol=1e-13)
            np.testing.assert_allclose(t.quantile(0.01), normal.quantile(0.01), rtol=1e-13)
            np.testing.assert_allclose(t.std, 2.0, rtol=1e-13)
        np.testing.assert_allclose(StudentT(np.inf, Y, 1.0).sample(9, 1).std(), Normal(Y, 1.0).sample(9, 1).std())

    def test_extreme_targets(self):
        d = StudentT([2.0, 2.0], [0.0, 0.0], [1.0, 1.0])
        log_p = d.log_prob([1e200, -1e200])
        # the tail is a power: log p(z) + 3 log z is its constant, here log(1) of 2^(3/2) / (2 sqrt 2)
        np.testing.assert_allclose(log_p + 3 * 200 * np.log(10), 0, atol=1e-11)
        assert d.cdf([-1e200, 1e200])[1] == 1

    def test_crps_needs_a_mean(self):
        assert np.isnan(StudentT([1.0, 0.5], [0.0, 0.0], 1.0).crps(0.0)).all()
        assert StudentT(1.5, 0.0, 1.0).crps(0.0) > 0

    def test_point_mass(self):
        d = StudentT(1.0, [3.0], 0.0)
        assert (d.mean, d.std, d.median, d.crps([4.0]), d.quantile(0.0)) == (3, 0, 3, 1, 3)
        assert d.log_prob([3.0]) == np.inf and d.entropy() == -np.inf

    def test_log_prob_is_differentiable(self):
        values = (5.0, 0.3, 2.0)
        parameters = tuple(torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in values)
        assert torch.autograd.gradcheck(lambda n, m, s: StudentT(n, m, s).log_prob(torch.tensor([1.0])), parameters)

    def test_refusals(self):
        with pytest.raises(ValueError, match="df must be positive, got 0 at 1"):
            StudentT([1.0, 0.0], [0.0, 0.0], 1.0)
        with pytest.raises(ValueError, match="df must be positive, got nan"):
            StudentT(np.nan, [0.0], 1.0)
        with pytest.raises(ValueError, match="scale must be finite and not negative, got -2"):
            StudentT(1.0, [0.0], -2.0)


class TestCategorical:
    P = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])

    def test_texts(self, seed):
        d = Categorical(self.P, ["b", "a", "c"])
        assert d.mode().tolist() == ["a", "a"]
        np.testing.assert_allclose(d.log_prob(["b", "a"]), [np.log(0.2), 0.0])
        assert d.log_prob(["unseen", "c"]).tolist() == [-np.inf, -np.inf]
        np.testing.assert_allclose(d.log_prob("c"), [np.log(0.3), -np.inf])
        np.testing.assert_allclose(d.entropy(), [stats.entropy(self.P[0]), 0.0], atol=1e-15)
        x = d.sample(30_000, seed)
        for c, label in enumerate(d.labels):
            p = self.P[:, c]
            assert np.all(abs((x == label).mean(0) - p) <= 5 * np.sqrt(p * (1 - p) / len(x)))
        for verb in (lambda: d.mean, lambda: d.std, lambda: d.quantile(0.5), lambda: d.crps(0.0), lambda: d.cdf(0.0)):
            with pytest.raises(TypeError, match="no mean, order or distance"):
                verb()
        with pytest.raises(TypeError, match="labels are like"):
            d.log_prob([1.0, 2.0])
        assert isinstance(Categorical(torch.as_tensor(self.P), ["b", "a", "c"]).sample(1, 0), np.ndarray)

    def test_numbers(self):
        d = Categorical(self.P, [4.0, 1.0, 2.0])
        np.testing.assert_allclose(d.mean, [0.2 * 4 + 0.5 + 0.3 * 2, 1])
        np.testing.assert_allclose(d.variance, [0.2 * 16 + 0.5 + 0.3 * 4 - 1.9**2, 0], atol=1e-14)
        assert d.quantile([0.0, 0.5, 0.500001, 0.8, 0.81, 1.0])[:, 0].tolist() == [1, 1, 2, 2, 4, 4]
        assert d.quantile([0.0, 1.0])[:, 1].tolist() == [1, 1]
        np.testing.assert_allclose(d.cdf([1.5, 0.5]), [0.5, 0.0])
        x = torch.tensor(self.P)
        tensors = Categorical(x, [4, 1, 2])
        assert tensors.mode().tolist() == [1, 1] and isinstance(tensors.sample(2, 0), torch.Tensor)

    def test_one_label_and_default_labels(self):
        d = Categorical([[1.0]])
        assert d.mode().tolist() == [0] and d.entropy().tolist() == [0] and d.crps([3.0]).tolist() == [3]
        assert Categorical(np.zeros((0, 2))).sample(3, 0).shape == (3, 0)

    def test_binary_crps_is_the_brier_score(self):
        p, y = np.linspace(0, 1, 11), np.arange(11) % 2
        np.testing.assert_allclose(Categorical(np.stack([1 - p, p], -1)).crps(y), (p - y) ** 2, atol=1e-15)

    def test_single_precision_sums_are_accepted(self):
        p = torch.softmax(torch.randn(50, 7, generator=torch.Generator().manual_seed(0)), -1)
        np.testing.assert_allclose(Categorical(p).probs.sum(-1), 1, rtol=1e-15)

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"must sum to 1, got 0.9 at 1"):
            Categorical([[0.5, 0.5], [0.5, 0.4]])
        with pytest.raises(ValueError, match=r"not be negative, got -0.5 at \(0, 0\)"):
            Categorical([[-0.5, 1.5]])
        with pytest.raises(ValueError, match="not be negative, got nan"):
            Categorical([[np.nan, 1.0]])
        with pytest.raises(ValueError, match="'a' stands twice"):
            Categorical([[0.5, 0.5]], ["a", "a"])
        with pytest.raises(ValueError, match="2 probabilities, but labels of shape"):
            Categorical([[0.5, 0.5]], ["a"])
        with pytest.raises(ValueError, match="at least one label"):
            Categorical(np.zeros((3, 0)))


class TestEmpirical:
    def test_against_numpy(self, seed):
        x = np.random.default_rng(seed).normal(size=(37, 4)) + 1e6
        d = Empirical(x)
        np.testing.assert_allclose(d.mean, x.mean(0), rtol=1e-15)
        np.testing.assert_allclose(d.variance, x.var(0), rtol=1e-9)
        for q in (0.0, 0.013, 0.25, 0.5, 0.77, 1.0):
            np.testing.assert_array_equal(d.quantile(q), np.quantile(x, q, axis=0, method="inverted_cdf"))
        y = x[5] + 1e-9
        np.testing.assert_array_equal(d.cdf(y), (x <= y).mean(0))
        np.testing.assert_array_equal(d.cdf(x[3]), (x <= x[3]).mean(0))

    @pytest.mark.parametrize("S", [1, 2, 3, 20])
    def test_crps_is_the_double_sum(self, S, seed):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(S, 3)) + 1e5, rng.normal(size=(2, 3)) + 1e5
        x[0] = y[0]
        double = abs(x[:, None] - x[None]).mean((0, 1)) / 2
        np.testing.assert_allclose(Empirical(x).crps(y), abs(x - y[:, None]).mean(1) - double, atol=1e-9)

    def test_draws_keep_whole_rows(self, seed):
        x = np.arange(10.0)[:, None] * [1.0, -1.0]
        drawn = Empirical(x).sample(50, seed)
        np.testing.assert_array_equal(drawn[:, 0], -drawn[:, 1])

    def test_refusals(self):
        d = Empirical([[0.0], [1.0]])
        for verb in (lambda: d.log_prob([0.0]), d.entropy):
            with pytest.raises(TypeError, match="no density"):
                verb()
        with pytest.raises(ValueError, match="at least one draw"):
            Empirical(np.zeros((0, 3)))
        with pytest.raises(ValueError, match="samples must be finite, got inf"):
            Empirical([[np.inf]])
        assert np.isnan(d.cdf([np.nan])).all()


class TestMixture:
    def test_one_component_is_that_component(self):
        normal = Normal(Y, np.geomspace(0.1, 10, 7))
        d = Mixture([1.0], [normal])
        np.testing.assert_allclose(d.quantile(0.123), normal.quantile(0.123), rtol=1e-15)
        np.testing.assert_allclose(d.crps(0.5), normal.crps(0.5), rtol=1e-12, atol=1e-14)
        # quadrature leaves out a mass of 2e-14 in the tails, where -log p is about 33: 7e-13 of the entropy
        np.testing.assert_allclose(d.entropy(), normal.entropy(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(d.log_prob(0.5), normal.log_prob(0.5), rtol=1e-14)

    def test_normal_mixture_against_quadrature_of_the_base(self):
        normals = [Normal([0.0, 1.0], [1.0, 0.0]), Normal([3.0, -2.0], [0.2, 5.0])]
        closed = Mixture([0.4, 0.6], normals)
        # Student's t with infinitely many degrees of freedom is the same, but takes the general route
        general = Mixture([0.4, 0.6], [StudentT(np.inf, n.mean, n.std) for n in normals])
        for y in (-3.0, 0.0, 1.0, 2.7):
            np.testing.assert_allclose(closed.crps(y), general.crps(y), rtol=1e-11, atol=1e-12)

    def test_quantile_between_far_components(self):
        d = Mixture([0.5, 0.5], [Normal(-1e6, 1e-3), Normal(1e6, 1e-3)])
        assert d.quantile(0.25) == pytest.approx(-1e6, abs=1e-12)
        assert d.quantile(0.75) == pytest.approx(1e6, abs=1e-12)
        assert abs(Mixture([0.5, 0.5], [Normal(-2.0, 1.0), Normal(2.0, 1.0)]).median) < 1e-15

    def test_jumps_and_bounded_components(self):
        d = Mixture([0.5, 0.5], [Normal([1.0], 0.0), Normal([0.0], [1.0])])
        at_jump = 0.5 * stats.norm.cdf(1.0)
        for q in (at_jump + 1e-6, at_jump + 0.3, at_jump + 0.5 - 1e-6):
            assert d.quantile(q)[0] == pytest.approx(1.0, abs=3e-16)
        assert d.entropy()[0] == -np.inf
        bounded = Mixture([0.5, 0.5], [Empirical([[1.0], [2.0]]), Normal([5.0], 0.0)])
        assert bounded.quantile([0.0, 0.2, 0.3, 0.7, 1.0])[:, 0].tolist() == [1, 1, 2, 5, 5]
        assert bounded.std[0] == pytest.approx(np.std([1, 2, 5, 5]))

    def test_weight_zero_has_no_say(self):
        wild = StudentT(0.5, [1e8], [1e12])
        d, plain = Mixture([1.0, 0.0], [Normal([0.0], [1.0]), wild]), Normal([0.0], [1.0])
        assert d.mean == 0 and d.variance == 1
        np.testing.assert_allclose(d.quantile([0.1, 0.9]), plain.quantile([0.1, 0.9]), rtol=1e-15)
        np.testing.assert_allclose([d.crps(0.3), d.entropy()], [plain.crps(0.3), plain.entropy()], rtol=1e-12)

    def test_refusals(self):
        n = Normal([0.0], [1.0])
        with pytest.raises(ValueError, match=r"must sum to 1, got 0\.8"):
            Mixture([0.5, 0.3], [n, n])
        with pytest.raises(ValueError, match="not be negative"):
            Mixture([-0.5, 1.5], [n, n])
        with pytest.raises(ValueError, match="share a batch shape"):
            Mixture([0.5, 0.5], [n, Normal([0.0, 1.0], 1.0)])
        with pytest.raises(ValueError, match="weights must have shape"):
            Mixture([0.5, 0.25, 0.25], [n, n])
        with pytest.raises(ValueError, match="at least one"):
            Mixture([], [])
        with pytest.raises(TypeError, match="average the probs"):
            Mixture([1.0], [Categorical([[1.0]])])


@settings(max_examples=60)
@given(
    df=st.floats(0.4, 1e6),
    loc=st.floats(-1e6, 1e6),
    scale=st.floats(1e-6, 1e6),
    q=st.floats(1e-12, 1 - 1e-12),
    w=st.floats(0, 1),
)
def test_cdf_undoes_quantile_for_any_parameters(df, loc, scale, q, w):
    t, n = StudentT(df, loc, scale), Normal(loc / 2, scale * 3)
    for d in (t, n, Mixture([w, 1 - w], [t, n])):
        x = d.quantile(q)
        # x is rounded to float64, so the level may move by density times spacing
        slack = 4 * np.exp(d.log_prob(x)) * np.spacing(abs(x) + abs(loc)) + 1e-13 * q + 3e-16
        assert abs(d.cdf(x) - q) <= slack
