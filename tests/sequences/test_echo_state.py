"""Echo state networks: the closed loop by another route, labels of sequences and of steps."""

import numpy as np
import pytest

from peira.core import DataError
from peira.experience.sequences import Sequences
from peira.linear import BayesianLinearRegression
from peira.sequences import (
    EchoStateClassifier,
    EchoStateForecaster,
    EchoStateRegressor,
    EchoStateTagger,
    LiquidStateClassifier,
)
from peira.sequences.echo_state_loop import spread_ahead


def series(seed, T=300, D=2):
    t = np.arange(T)[:, None]
    rng = np.random.default_rng(seed)
    return np.sin(t / np.linspace(4, 9, D)) * 3 + 7 + 0.1 * rng.normal(size=(T, D))


@pytest.mark.parametrize("D", [1, 2])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("given", [{}, {"direct": False}, {"precise": False, "standardise": False, "alpha": 0.1}])
def test_a_forecast_is_the_loop_written_out(seed, D, order, given):
    X = series(seed, D=D)
    model = EchoStateForecaster(units=20, differences=order, random_state=seed, **given).fit(X)
    pool = model._restored()
    W, x = pool.matrix().toarray(), np.zeros(20)
    last = X[0]
    for y in X[:100]:
        u = ((y - last if order else y) - model.input_mean_) / model.input_scale_
        x = (1 - pool.leak) * x + pool.leak * np.tanh(W @ x + pool.inputs @ u + pool.bias)
        last = y
    for said in model.predict(X[:100], horizon=5).reshape(5, D):
        v = np.r_[x, u] @ model.readout_ + model.intercept_
        last = last + v if order else v
        np.testing.assert_allclose(said, last, rtol=1e-9, atol=1e-9)
        u = (v - model.input_mean_) / model.input_scale_
        x = (1 - pool.leak) * x + pool.leak * np.tanh(W @ x + pool.inputs @ u + pool.bias)
    if given.get("direct") is False:
        np.testing.assert_array_equal(model.readout_[20:], 0)


def test_the_readout_is_ridge_regression_of_the_next_step_beyond_the_washout(seed):
    parts = [series(seed, 40), series(seed + 1, 9), series(seed + 2, 3)]
    for precise in (False, True):
        given = {"alpha": 0.01, "precise": precise, "differences": 0, "random_state": seed}
        model = EchoStateForecaster(units=5, washout=4, **given).fit(parts)
        Z, Y = [], []
        for part in parts:
            U = (part - model.input_mean_) / model.input_scale_
            first = np.arange(len(U)) == 0
            S = np.concatenate([s.copy() for _, s in model._restored().blocks(U, first)])
            Z.append(np.hstack([S, U])[4:-1])
            Y.append(part[5:])
        Z, Y = np.concatenate(Z), np.concatenate(Y)
        assert len(Z) == 35 + 4
        C = Z - Z.mean(0)
        B = np.linalg.solve(C.T @ C + 0.01 * np.eye(7), C.T @ (Y - Y.mean(0)))
        np.testing.assert_allclose(model.readout_, B, rtol=1e-6, atol=1e-8)


def airline(seed, T=132):
    """A series with a trend and seasons that grow with it, of which few steps are known."""
    t = np.arange(T + 24)
    noise = 0.03 * np.random.default_rng(seed).normal(size=T + 24)
    y = np.exp(5 + 0.01 * t + 0.2 * np.sin(2 * np.pi * t / 12) + noise)
    return y[:T], y[T:]


def test_forecasts_of_a_short_series_with_a_trend_are_not_absurd(seed):
    y, ahead = airline(seed)
    model = EchoStateForecaster(random_state=seed).fit(y)
    naive = np.tile(y[-12:], 2)
    error, usual = (np.sqrt(np.mean((said - ahead) ** 2)) for said in (model.predict(y, horizon=24)[0], naive))
    assert error < 1.5 * usual
    assert np.abs(model.predict(y, horizon=200)).max() < 11 * np.ptp(y) + y.max()


def test_what_is_held_back_is_forecast_by_a_readout_of_the_rest(seed):
    y = series(seed, 50, 1)
    given = {"units": 6, "washout": 0, "alpha": 0.1, "differences": 0, "standardise": False, "random_state": seed}
    model = EchoStateForecaster(**given).fit(y)
    pool, n = model._restored(), 49
    S = np.concatenate([s.copy() for _, s in pool.blocks(y, np.arange(50) == 0)])
    Z, fold, errors = np.hstack([S, y])[:-1], np.arange(n) * 5 // n, {h: [] for h in range(1, 6)}
    for k in range(5):
        C, R = Z[fold != k], y[1:][fold != k]
        B = np.linalg.solve((C - C.mean(0)).T @ (C - C.mean(0)) + 0.1 * np.eye(7), (C - C.mean(0)).T @ (R - R.mean()))
        for t in np.flatnonzero(fold == k):
            x, u = S[t], y[t]
            for h in range(1, min(5, np.flatnonzero(fold == k)[-1] + 1 - t) + 1):
                u = R.mean(0) + (np.r_[x, u] - C.mean(0)) @ B
                errors[h].append(float(u[0] - y[t + h, 0]))
                x = x + pool.leak * (np.tanh(pool.matrix() @ x + pool.inputs @ u + pool.bias) - x)
    E = np.maximum.accumulate([np.sqrt(np.mean(np.square(errors[h]))) for h in errors])
    np.testing.assert_allclose(model.spread_[:, 0], E, rtol=1e-6)
    np.testing.assert_array_equal(model.predict_dist(y, horizon=5).std[0], model.spread_)


def test_spread_grows_by_its_own_power_and_no_farther_than_a_series_that_comes_back():
    E, deviation = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([4.0])
    np.testing.assert_array_equal(spread_ahead(E, 3, 0, deviation), E[:3])
    np.testing.assert_allclose(spread_ahead(E, 8, 1, deviation)[4:, 0], [5, 6, 7, 8])
    np.testing.assert_allclose(spread_ahead(E, 8, 0, deviation)[4:, 0], [5, *[4 * 2**0.5] * 3])
    np.testing.assert_allclose(spread_ahead(E[:1], 4, 1, deviation)[:, 0], np.sqrt([1, 2, 3, 4]))


def test_intervals_cover_a_series_without_noise(seed):
    t = np.arange(900)
    wave = np.sin(t / 5) + np.sin(t / 7.3) * np.sin(t / 31 + seed)
    model = EchoStateForecaster(units=40, random_state=seed).fit(wave[:600])
    low, high = model.predict_dist([wave[:n] for n in range(600, 870, 9)], horizon=30).interval(0.9)
    ends = np.array([wave[n : n + 30] for n in range(600, 870, 9)])
    assert ((low[..., 0] <= ends) & (ends <= high[..., 0])).mean() > 0.75


def test_missing_steps_are_fed_as_the_last_known_and_not_learned_from(seed):
    y = series(seed, 60, 1)[:, 0]
    gaps = y.copy()
    gaps[[0, 20, 21, 40, 59]] = np.nan
    given = {"units": 5, "washout": 3, "alpha": 0.1, "differences": 0, "random_state": seed}
    model = EchoStateForecaster(**given).fit(gaps)
    U = (gaps - np.nanmean(gaps)) / np.nanstd(gaps)
    U[0], U[[20, 21]], U[40], U[59] = 0.0, U[19], U[39], U[58]
    S = np.concatenate([s.copy() for _, s in model._restored().blocks(U[:, None], np.arange(60) == 0)])
    known = ~np.isnan(gaps)
    rows = np.flatnonzero((np.arange(59) >= 3) & known[:-1] & known[1:])
    Z, Y = np.c_[S, U][rows], y[rows + 1]
    C = Z - Z.mean(0)
    B = np.linalg.solve(C.T @ C + 0.1 * np.eye(6), C.T @ (Y - Y.mean()))
    np.testing.assert_allclose(model.readout_[:, 0], B, rtol=1e-6)
    said = np.r_[S[-1], U[-1]] @ model.readout_ + model.intercept_
    np.testing.assert_allclose(model.predict(gaps)[0], said, rtol=1e-9)
    differenced = EchoStateForecaster(**given | {"differences": 1}).fit(gaps)
    assert np.isfinite(differenced.predict([gaps, [np.nan, np.nan]], horizon=3)).all()


def test_classifiers_and_taggers_take_missing_steps_as_the_last_known(seed):
    X, y = frequencies(seed, 12)
    gaps, filled = [x.copy() for x in X], [x.copy() for x in X]
    for g, f in zip(gaps, filled, strict=True):
        g[1::4] = np.nan
        f[1::4] = f[: len(f) - 1 : 4] if len(f) > 1 else f[1::4]
    given = {"units": 6, "alpha": 0.1, "standardise": False, "random_state": seed}
    for make in (EchoStateClassifier, LiquidStateClassifier):
        model = make(**given).fit(gaps, y)
        np.testing.assert_array_equal(model.predict_proba(gaps), make(**given).fit(filled, y).predict_proba(filled))
    labels = [x > 0 for x in X]
    a, b = (EchoStateTagger(**given).fit(Z, labels).predict_dist(Z).probs for Z in (gaps, filled))
    np.testing.assert_array_equal(a, b)


def test_intervals_cover_the_next_step_of_a_noisy_oscillation(seed):
    X = series(seed, 700, 1)
    model = EchoStateForecaster(units=50, random_state=seed).fit(X[:400])
    low, high = model.predict_dist([X[:t] for t in range(400, 690, 6)], horizon=10).interval(0.9)
    ends = np.array([X[t : t + 10] for t in range(400, 690, 6)])
    covered = ((low <= ends) & (ends <= high)).mean((0, 2))
    assert covered[0] > 0.78 and covered[-1] > 0.75


def test_a_forecast_that_grows_without_bound_is_refused():
    wave = np.sin(np.arange(60) / 5)
    model = EchoStateForecaster(units=10, random_state=0).fit(wave)
    model.readout_ = model.readout_ * 1e9
    with pytest.raises(ValueError, match="grow without bound.* by step"):
        model.predict(wave, horizon=500)


def test_series_without_a_step_to_learn_from_are_refused():
    with pytest.raises(ValueError, match="longest series has 3 steps"):
        EchoStateForecaster(washout=5).fit([[1.0, 2.0, 3.0], [1.0]])
    with pytest.raises(ValueError, match="beyond the washout"):
        EchoStateForecaster().fit([[1.0]])
    assert EchoStateForecaster(units=3, random_state=0).fit([1.0, 2.0]).predict([1.0, 2.0]).shape == (1, 1)


def test_plasticity_is_a_part_of_the_fit(seed):
    model = EchoStateForecaster(units=20, plasticity_epochs=3, random_state=seed).fit(series(seed))
    assert model.n_iter_ == 3 and np.isfinite(model.predict(series(seed))).all()


def frequencies(seed, N=40):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(N) % 2)
    lengths = rng.integers(1, 60, N)
    return [np.sin((0.2 + 0.3 * c) * np.arange(n) + rng.uniform(0, 6)) for c, n in zip(y, lengths, strict=True)], y


@pytest.mark.parametrize("given", [{}, {"reading": "last"}, {"sections": 5}, {"alpha": 1.0}])
def test_what_a_classifier_reads_are_means_over_sections(seed, given):
    X, y = frequencies(seed)
    model = EchoStateClassifier(units=10, random_state=seed, **given).fit(X, y)
    K = 0 if given.get("reading") == "last" else given.get("sections", 3)
    data, read = model._queries(X), []
    (_, Z), = model._read(model._restored(), model._standardised(data), data.lengths)  # fmt: skip
    for part in X:
        U = (part[:, None] - model.input_mean_) / model.input_scale_
        S = np.concatenate([s.copy() for _, s in model._restored().blocks(U, np.arange(len(U)) == 0)])
        R, T = np.hstack([S, U]), len(U)
        cuts = [(k * T // K, max(k * T // K + 1, (k + 1) * T // K)) for k in range(K)] or [(T - 1, T)]
        read.append(np.concatenate([R[a:b].mean(0) for a, b in cuts]))
    np.testing.assert_allclose(Z, read, rtol=1e-10, atol=1e-12)


def test_many_sequences_are_read_in_groups(seed, monkeypatch):
    X, y = frequencies(seed)
    whole = EchoStateClassifier(units=10, alpha=0.1, random_state=seed).fit(X, y)
    monkeypatch.setattr("peira.sequences.reservoir_reading.GROUP", 7)
    parts = EchoStateClassifier(units=10, alpha=0.1, random_state=seed).fit(X, y)
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-8)


def test_a_classifier_tells_frequencies_apart(seed):
    (X, y), (X_new, y_new) = frequencies(seed, 200), frequencies(seed + 1, 200)
    long = [i for i, x in enumerate(X_new) if len(x) > 10]
    model = EchoStateClassifier(units=50, random_state=seed).fit(X, y)
    assert model.score([X_new[i] for i in long], y_new[long]) > 0.9
    assert model.predict_dist(X_new).log_prob(y_new).mean() > np.log(0.5) + 0.2


@pytest.mark.parametrize("sections", [1, 4])
def test_a_regressor_is_bayesian_regression_on_what_is_read(seed, sections):
    X, y = frequencies(seed, 30)  # of 11 and of 44 numbers
    Y = np.c_[y, [len(x) / 10 for x in X]]
    given = {"units": 10, "sections": sections, "alpha": 0.3, "standardise": False, "random_state": seed}
    model = EchoStateRegressor(**given).fit(X[:20], Y[:20])
    Z = np.concatenate([z.numpy() for z in model._all_read(model._queries(X))])
    other = BayesianLinearRegression(alpha=0.3).fit(Z[:20], Y[:20]).predict_dist(Z[20:])
    said, variance = model.predict_dist(X[20:]), other.scale**2 / (other.scale**2)[0]
    np.testing.assert_allclose(said.mean, other.mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(said.df, other.df)
    np.testing.assert_allclose(said.scale**2 / (said.scale**2)[0], variance, rtol=1e-6)
    far = []  # of each sequence in units of what was promised by a model that had not seen it
    for n in range(20):
        alone = EchoStateRegressor(**given).fit([X[i] for i in range(20) if i != n], np.delete(Y[:20], n, 0))
        promised = alone.predict_dist([X[n]])
        far.append((Y[n] - promised.mean[0]) ** 2 / promised.scale[0] ** 2 * alone.noise_)
    np.testing.assert_allclose(model.noise_, np.mean(far, 0), rtol=1e-6)


def test_a_regressor_reads_the_pitch_and_knows_how_well(seed):
    rng = np.random.default_rng(seed)
    pitch = rng.uniform(0.2, 0.6, 300)
    X = [np.sin(f * np.arange(n) + rng.uniform(0, 6)) for f, n in zip(pitch, rng.integers(20, 60, 300), strict=True)]
    y = pitch + 0.02 * rng.normal(size=300)
    model = EchoStateRegressor(units=50, alpha=0.01, random_state=seed).fit(X[:150], y[:150])
    assert model.score(X[150:], pitch[150:]) > 0.9
    low, high = model.predict_dist(X[150:]).interval(0.9)
    assert 0.75 < np.mean((low <= y[150:]) & (y[150:] <= high)) < 0.99
    noise = [rng.normal(size=30)]  # unlike all that it has learned from
    assert model.predict_dist(noise).std[0] > 1.5 * np.median(model.predict_dist(X[150:]).std)


def echoes(seed, N=20, lag=2):
    """Labels that tell whether the step ``lag`` before (or, negative, after) was above 0."""
    rng = np.random.default_rng(seed)
    parts = [rng.uniform(-1, 1, rng.integers(5, 60)) for _ in range(N)]
    return parts, [np.roll(p, lag) > 0 for p in parts]


def test_a_tagger_remembers_and_with_a_delay_looks_ahead(seed):
    X, y = echoes(seed)
    assert EchoStateTagger(units=60, leak=1.0, random_state=seed).fit(X, y).score(X, y) > 0.85
    X, y = echoes(seed, lag=-2)
    blind = EchoStateTagger(units=60, leak=1.0, random_state=seed).fit(X, y).score(X, y)
    ahead = EchoStateTagger(units=60, leak=1.0, delay=2, random_state=seed).fit(X, y).score(X, y)
    assert ahead > blind + 0.15


def test_a_delay_reads_the_state_that_much_later(seed):
    X, y = echoes(seed, 4)
    model = EchoStateTagger(units=8, delay=3, random_state=seed).fit(X, y)
    data = model._queries(X)
    Z = np.concatenate([z for _, z in model._read(model._restored(), model._standardised(data), data.lengths)])
    start = 0
    for part in X:
        U = (np.r_[part, [part[-1]] * 3][:, None] - model.input_mean_) / model.input_scale_
        S = np.concatenate([s.copy() for _, s in model._restored().blocks(U, np.arange(len(U)) == 0)])
        T = len(part)
        np.testing.assert_allclose(Z[start : start + T], np.hstack([S[3:], U[:T]]), rtol=1e-10, atol=1e-12)
        start += T


def test_weights_of_sequences_are_repetitions(seed):
    X, y = frequencies(seed, 12)
    counts = np.random.default_rng(seed).integers(1, 3, 12)
    repeated = np.repeat(np.arange(12), counts)
    again = [X[i] for i in repeated]
    given = {"units": 6, "alpha": 0.1, "standardise": False, "random_state": seed}
    a = EchoStateClassifier(**given).fit(X, y, counts).predict_proba(X)
    b = EchoStateClassifier(**given).fit(again, y[repeated]).predict_proba(X)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    a, b = (EchoStateRegressor(**given).fit(*each).predict_dist(X) for each in ((X, y, counts), (again, y[repeated])))
    np.testing.assert_allclose(np.c_[a.mean, a.std], np.c_[b.mean, b.std], rtol=1e-6)
    labels = [x > 0 for x in X]
    a = EchoStateTagger(**given).fit(X, labels, counts).predict_dist(X).probs
    b = EchoStateTagger(**given).fit(again, [x > 0 for x in again]).predict_dist(X).probs
    np.testing.assert_allclose(a, b, rtol=1e-5)
    X = Sequences.from_list([x for x in X if len(x) > 3])
    counts = counts[: len(X)]
    a = EchoStateForecaster(washout=1, **given).fit(X, sample_weight=counts).predict(X)
    b = EchoStateForecaster(washout=1, **given).fit(X[np.repeat(np.arange(len(X)), counts)]).predict(X)
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_regression_whose_answer_overflows_says_so(seed):
    X = [series(seed + n, 8) for n in range(6)]
    model = EchoStateRegressor(units=10, random_state=seed).fit(X, np.arange(6.0))
    with pytest.raises(DataError, match="sequence 1 overflow"):
        model.predict_dist([X[0], np.full((3, 2), 1e200)])
