"""Echo state networks: the closed loop by another route, labels of sequences and of steps."""

import numpy as np
import pytest

from peira.experience.sequences import Sequences
from peira.sequences import EchoStateClassifier, EchoStateForecaster, EchoStateTagger


def series(seed, T=300, D=2):
    t = np.arange(T)[:, None]
    rng = np.random.default_rng(seed)
    return np.sin(t / np.linspace(4, 9, D)) * 3 + 7 + 0.1 * rng.normal(size=(T, D))


@pytest.mark.parametrize("D", [1, 2])
@pytest.mark.parametrize("given", [{}, {"direct": False}, {"precise": False}, {"standardise": False}, {"alpha": 0.1}])
def test_a_forecast_is_the_loop_written_out(seed, D, given):
    X = series(seed, D=D)
    model = EchoStateForecaster(units=20, random_state=seed, **given).fit(X)
    pool = model._restored()
    W, x = pool.matrix().toarray(), np.zeros(20)
    for y in X[:100]:
        u = (y - model.input_mean_) / model.input_scale_
        x = (1 - pool.leak) * x + pool.leak * np.tanh(W @ x + pool.inputs @ u + pool.bias)
    for said in model.predict(X[:100], horizon=5)[0]:
        y = np.r_[x, u] @ model.readout_ + model.intercept_
        np.testing.assert_allclose(said, y, rtol=1e-9, atol=1e-9)
        u = (y - model.input_mean_) / model.input_scale_
        x = (1 - pool.leak) * x + pool.leak * np.tanh(W @ x + pool.inputs @ u + pool.bias)
    if given.get("direct") is False:
        np.testing.assert_array_equal(model.readout_[20:], 0)


def test_the_readout_is_ridge_regression_of_the_next_step_beyond_the_washout(seed):
    parts = [series(seed, 40), series(seed + 1, 9), series(seed + 2, 3)]
    for precise in (False, True):
        model = EchoStateForecaster(units=5, washout=4, alpha=0.01, precise=precise, random_state=seed).fit(parts)
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


def test_errors_of_one_step_have_the_learned_covariance_and_grow(seed):
    model = EchoStateForecaster(units=30, random_state=seed).fit(series(seed))
    said = model.predict_dist(series(seed + 1)[:50], horizon=30)
    np.testing.assert_allclose(said.std[0, 0], np.sqrt(model.covariance_.diagonal()), rtol=1e-9)
    np.testing.assert_array_equal(said.mean, model.predict(series(seed + 1)[:50], horizon=30))
    assert (said.std[0, -1] >= said.std[0, 0]).all()


def test_intervals_cover_the_next_step_of_a_noisy_oscillation(seed):
    X = series(seed, 700, 1)
    model = EchoStateForecaster(units=50, random_state=seed).fit(X[:400])
    low, high = model.predict_dist([X[:t] for t in range(400, 690, 3)], horizon=10).interval(0.9)
    ends = np.array([X[t : t + 10] for t in range(400, 690, 3)])
    covered = ((low <= ends) & (ends <= high)).mean((0, 2))
    assert covered[0] > 0.78 and covered[-1] > 0.75


def test_a_forecast_that_grows_without_bound_is_refused():
    wave = np.sin(np.arange(60) / 5)
    model = EchoStateForecaster(units=10, random_state=0).fit(wave)
    model.readout_ = model.readout_ * 1e9
    with pytest.raises(ValueError, match="grow without bound by step"):
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
    monkeypatch.setattr("peira.sequences.reservoir_classifier.GROUP", 7)
    parts = EchoStateClassifier(units=10, alpha=0.1, random_state=seed).fit(X, y)
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-8)


def test_a_classifier_tells_frequencies_apart(seed):
    (X, y), (X_new, y_new) = frequencies(seed, 200), frequencies(seed + 1, 200)
    long = [i for i, x in enumerate(X_new) if len(x) > 10]
    model = EchoStateClassifier(units=50, random_state=seed).fit(X, y)
    assert model.score([X_new[i] for i in long], y_new[long]) > 0.9
    assert model.predict_dist(X_new).log_prob(y_new).mean() > np.log(0.5) + 0.2


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
    again = [X[i] for i in np.repeat(np.arange(12), counts)]
    given = {"units": 6, "alpha": 0.1, "standardise": False, "random_state": seed}
    a = EchoStateClassifier(**given).fit(X, y, counts).predict_proba(X)
    b = EchoStateClassifier(**given).fit(again, np.repeat(y, counts)).predict_proba(X)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    labels = [x > 0 for x in X]
    a = EchoStateTagger(**given).fit(X, labels, counts).predict_dist(X).probs
    b = EchoStateTagger(**given).fit(again, [x > 0 for x in again]).predict_dist(X).probs
    np.testing.assert_allclose(a, b, rtol=1e-5)
    X = Sequences.from_list([x for x in X if len(x) > 3])
    counts = counts[: len(X)]
    a = EchoStateForecaster(washout=1, **given).fit(X, sample_weight=counts).predict(X)
    b = EchoStateForecaster(washout=1, **given).fit(X[np.repeat(np.arange(len(X)), counts)]).predict(X)
    np.testing.assert_allclose(a, b, rtol=1e-6)
