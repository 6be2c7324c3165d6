"""Races 8.03 and 8.05: Baum-Welch and Viterbi, against hmmlearn's two implementations and dynamax."""

import numpy as np

from evidence import Sides, racing

K, D, V, N, T, STEPS = 8, 4, 20, 100, 1000, 10
LEARN = {
    "quality": "mean log likelihood of a step under the learned parts, by numpy",
    "better": "higher",
    "slack": 1e-4,
    "rule": f"{STEPS} steps of Baum-Welch on {N} sequences of {T} steps, {K} states, from the same start",
}
DECODE = {
    "quality": "mean joint log probability of a step on the paths given, by numpy",
    "better": "higher",
    "slack": 1e-9,
    "rule": f"the most probable paths of {N} sequences of {T} steps, {K} states, under the same model",
}


def chain():
    rng = np.random.default_rng(0)
    A = 0.9 * np.eye(K) + 0.1 * rng.dirichlet(np.ones(K), K)
    steps, u = A.cumsum(1), rng.random((N, T))
    z = np.empty((N, T), dtype=np.int64)
    z[:, 0] = rng.integers(0, K, N)
    for t in range(1, T):
        z[:, t] = np.minimum((u[:, t, None] >= steps[z[:, t - 1]]).sum(1), K - 1)
    return rng, z


def vectors():
    """Sequences (N, T, D) of eight regimes, and the start of learning."""
    rng, z = chain()
    means = 3 * rng.normal(size=(K, D))
    X = means[z] + rng.normal(size=(N, T, D))
    A = np.full((K, K), 0.1 / K) + 0.9 * np.eye(K)
    start = means + 0.5 * rng.normal(size=(K, D))  # near enough that ten steps suffice, so that priors do not matter
    return X, np.full(K, 1 / K), A / A.sum(1, keepdims=True), start, np.full((K, D), 2.0)


def symbols():
    """Sequences (N, T) of symbols, and the start of learning."""
    rng, z = chain()
    B = rng.dirichlet(np.full(V, 0.3), K)
    x = np.minimum((rng.random((N, T))[:, :, None] >= B.cumsum(1)[z]).sum(2), V - 1)
    A = np.full((K, K), 0.1 / K) + 0.9 * np.eye(K)
    return x, np.full(K, 1 / K), A / A.sum(1, keepdims=True), rng.dirichlet(np.ones(V), K)


def log_gaussians(X, means, variances):
    Z = (X[:, :, None, :] - means) ** 2 / variances + np.log(2 * np.pi * variances)
    return -0.5 * Z.sum(-1)


def mean_log_likelihood(log_b, pi, A):
    """By the scaled forward pass over all sequences at once; log densities of shape (N, T, K)."""
    top = log_b.max(2, keepdims=True)
    b, total, alpha = np.exp(log_b - top), top.sum(), pi
    for t in range(log_b.shape[1]):
        alpha = (alpha if t == 0 else alpha @ A) * b[:, t]
        c = alpha.sum(1, keepdims=True)
        alpha, total = alpha / c, total + np.log(c).sum()
    return float(total / log_b[:, :, 0].size)


def path_value(log_b, pi, A, paths):
    n, t = np.indices(paths.shape)
    value = log_b[n, t, paths].sum() + np.log(pi)[paths[:, 0]].sum() + np.log(A)[paths[:, :-1], paths[:, 1:]].sum()
    return float(value / paths.size)


def quiet():
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.getLogger("hmmlearn").setLevel(logging.CRITICAL)


def gaussian_sides(peer):
    X, pi, A, means, variances = vectors()
    given = {"startprob_init": pi, "transmat_init": A, "means_init": means, "covars_init": variances}

    def ours():
        quiet()
        from peira.sequences import GaussianHMM

        m = GaussianHMM(K, n_iter=STEPS, tol=0.0, covars_prior=0.01, **given).fit(X)
        return m.startprob_, m.transmat_, m.means_, m.covars_

    def quality(parts):
        pi, A, means, variances = parts
        return mean_log_likelihood(log_gaussians(X, means, variances), pi, A)

    return Sides(ours, lambda: peer(X, pi, A, means, variances), quality)


def by_hmmlearn(implementation):
    def peer(X, pi, A, means, variances):
        quiet()
        from hmmlearn.hmm import GaussianHMM

        m = GaussianHMM(K, n_iter=STEPS, tol=-np.inf, init_params="", implementation=implementation)
        m.startprob_, m.transmat_, m.means_, m.covars_ = pi, A, means, variances
        m.fit(X.reshape(-1, D), [T] * N)
        return m.startprob_, m.transmat_, m.means_, m._covars_

    return peer


def by_dynamax(X, pi, A, means, variances):
    import jax

    jax.config.update("jax_enable_x64", True)
    from dynamax.hidden_markov_model import DiagonalGaussianHMM

    model = DiagonalGaussianHMM(K, D, initial_probs_concentration=1.0, transition_matrix_concentration=1.0)
    start, how = model.initialize(
        initial_probs=jax.numpy.array(pi), transition_matrix=jax.numpy.array(A),
        emission_means=jax.numpy.array(means), emission_scale_diags=jax.numpy.array(variances) ** 0.5,
    )  # fmt: skip
    found, _ = model.fit_em(start, how, jax.numpy.array(X), num_iters=STEPS, verbose=False)
    parts = (found.initial.probs, found.transitions.transition_matrix, found.emissions.means)
    return (*(np.asarray(p) for p in parts), np.asarray(found.emissions.scale_diags) ** 2)


@racing("8.05", case="Gaussian diagonal, implementation 'scaling'", peer="hmmlearn", **LEARN)
def gaussian_scaling():
    return gaussian_sides(by_hmmlearn("scaling"))


@racing("8.05", case="Gaussian diagonal, implementation 'log' (the default)", peer="hmmlearn", **LEARN)
def gaussian_log():
    return gaussian_sides(by_hmmlearn("log"))


@racing("8.05", case="Gaussian diagonal, jax", peer="dynamax", environment="dynamax", **LEARN)
def gaussian_dynamax():
    return gaussian_sides(by_dynamax)


def categorical_sides(peer):
    x, pi, A, B = symbols()

    def ours():
        quiet()
        from peira.sequences import CategoricalHMM

        given = {"startprob_init": pi, "transmat_init": A, "emissionprob_init": B, "symbols": list(range(V))}
        m = CategoricalHMM(K, n_iter=STEPS, tol=0.0, **given).fit(list(x))
        return m.startprob_, m.transmat_, m.emissionprob_

    def quality(parts):
        pi, A, B = parts
        with np.errstate(divide="ignore"):
            return mean_log_likelihood(np.log(B.T[x]), pi, A)

    return Sides(ours, lambda: peer(x, pi, A, B), quality)


def categorical_by_hmmlearn(implementation):
    def peer(x, pi, A, B):
        quiet()
        from hmmlearn.hmm import CategoricalHMM

        m = CategoricalHMM(K, n_iter=STEPS, tol=-np.inf, init_params="", implementation=implementation, n_features=V)
        m.startprob_, m.transmat_, m.emissionprob_ = pi, A, B
        m.fit(x.reshape(-1, 1), [T] * N)
        return m.startprob_, m.transmat_, m.emissionprob_

    return peer


def categorical_by_dynamax(x, pi, A, B):
    import jax

    jax.config.update("jax_enable_x64", True)
    from dynamax.hidden_markov_model import CategoricalHMM

    model = CategoricalHMM(
        K, 1, V, initial_probs_concentration=1.0, transition_matrix_concentration=1.0, emission_prior_concentration=1.0
    )
    start, how = model.initialize(
        initial_probs=jax.numpy.array(pi), transition_matrix=jax.numpy.array(A),
        emission_probs=jax.numpy.array(B)[:, None],
    )  # fmt: skip
    found, _ = model.fit_em(start, how, jax.numpy.array(x)[:, :, None], num_iters=STEPS, verbose=False)
    parts = (found.initial.probs, found.transitions.transition_matrix, found.emissions.probs[:, 0])
    return tuple(np.asarray(p) for p in parts)


@racing("8.05", case="categorical, 20 symbols, implementation 'scaling'", peer="hmmlearn", **LEARN)
def categorical_scaling():
    return categorical_sides(categorical_by_hmmlearn("scaling"))


@racing("8.05", case="categorical, 20 symbols, implementation 'log' (the default)", peer="hmmlearn", **LEARN)
def categorical_log():
    return categorical_sides(categorical_by_hmmlearn("log"))


@racing("8.05", case="categorical, 20 symbols, jax", peer="dynamax", environment="dynamax", **LEARN)
def categorical_dynamax():
    return categorical_sides(categorical_by_dynamax)


def decoding_sides(peer):
    X, pi, A, means, variances = vectors()

    def ours():
        from peira.sequences import GaussianHMM

        return np.stack(GaussianHMM.from_parts(pi, A, means, variances).predict(X))

    log_b = log_gaussians(X, means, variances)
    return Sides(ours, lambda: peer(X, pi, A, means, variances), lambda paths: path_value(log_b, pi, A, paths))


@racing("8.03", case="Viterbi, Gaussian diagonal", peer="hmmlearn", **DECODE)
def viterbi_hmmlearn():
    def peer(X, pi, A, means, variances):
        from hmmlearn.hmm import GaussianHMM

        m = GaussianHMM(K)
        m.n_features = D
        m.startprob_, m.transmat_, m.means_, m.covars_ = pi, A, means, variances
        return m.predict(X.reshape(-1, D), [T] * N).reshape(N, T)

    return decoding_sides(peer)


@racing("8.03", case="Viterbi, Gaussian diagonal, jax", peer="dynamax", environment="dynamax", **DECODE)
def viterbi_dynamax():
    ready = {}

    def peer(X, pi, A, means, variances):
        import jax

        jax.config.update("jax_enable_x64", True)
        from dynamax.hidden_markov_model import DiagonalGaussianHMM

        if not ready:  # compiled once, in the call to warm up
            model = DiagonalGaussianHMM(K, D)
            ready["parts"], _ = model.initialize(
                initial_probs=jax.numpy.array(pi), transition_matrix=jax.numpy.array(A),
                emission_means=jax.numpy.array(means), emission_scale_diags=jax.numpy.array(variances) ** 0.5,
            )  # fmt: skip
            ready["decode"] = jax.jit(jax.vmap(model.most_likely_states, in_axes=(None, 0)))
        return np.asarray(ready["decode"](ready["parts"], jax.numpy.array(X)))

    return decoding_sides(peer)
