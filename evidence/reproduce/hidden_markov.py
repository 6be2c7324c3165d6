"""Rows 8.03 to 8.07: hidden Markov models evaluated, decoded, learned; their posterior, and how many states."""

import itertools

import numpy as np

from evidence import check, data, reproduction

WIKIPEDIA = "Wikipedia, 'Viterbi algorithm' and 'Forward algorithm', the doctor's example (read by the curriculum)"
ZM = "Zucchini & MacDonald (2009), Hidden Markov Models for Time Series, tables 4.1, 4.2 and 6.1"


def clinic():
    from peira.sequences import CategoricalHMM

    A, B = [[0.7, 0.3], [0.4, 0.6]], [[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]]
    return CategoricalHMM.from_parts([0.6, 0.4], A, B, ["normal", "cold", "dizzy"])


def quakes():
    return data("earthquakes.csv")["count"].astype(float)


def tiny(rng):
    """A categorical model of three states, and its joint probability of a path and a sequence."""
    from peira.sequences import CategoricalHMM

    pi, A, B = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(4), 3)

    def joint(z, x):
        moves = np.prod([A[i, j] for i, j in itertools.pairwise(z)])
        return pi[z[0]] * moves * np.prod(B[list(z), x])

    return CategoricalHMM.from_parts(pi, A, B), joint


@reproduction(
    "8.03",
    claim="P(normal, cold, dizzy) = 0.03628; sums over all paths to 1e-12; no underflow at 100,000 steps",
    source=WIKIPEDIA,
    protocol="the three parts as given; 5 models of 3 states on 8 steps, 6,561 paths each; a chain of equal states",
    mark="R",
)
def evaluation():
    from peira.sequences.forward_backward import forward_backward_logs

    model = clinic()
    yield check("P(normal, cold, dizzy)", np.exp(model.log_prob([["normal", "cold", "dizzy"]]))[0], 0.03628, digits=12)
    worst, apart, rng = 0.0, 0.0, np.random.default_rng(0)
    for _ in range(5):
        m, joint = tiny(rng)
        x = rng.integers(0, 4, 8)
        total = sum(joint(z, x) for z in itertools.product(range(3), repeat=8))
        scaled = m.log_prob([x])[0]
        worst = max(worst, abs(np.exp(scaled) / total - 1))
        logs = m._chain().logs()
        by_logs = forward_backward_logs(
            m._emissions().log_densities(x[:, None]), *logs, 1.0, np.empty((8, 3)), np.zeros(3), np.zeros((3, 3))
        )
        apart = max(apart, abs(by_logs - scaled))
    yield check("largest relative error against the sum over all paths", worst, at_most=1e-12)
    yield check("largest difference between scaled numbers and logarithms, nats", apart, at_most=1e-12)
    from peira.sequences import CategoricalHMM

    equal = CategoricalHMM.from_parts([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [[0.25, 0.75], [0.25, 0.75]])
    x = rng.integers(0, 2, 100_000)
    expected = (x == 0).sum() * np.log(0.25) + (x == 1).sum() * np.log(0.75)
    yield check(
        "log likelihood of 100,000 steps of equal states, against the closed form",
        equal.log_prob([x])[0],
        expected,
        relative=1e-12,
    )


@reproduction(
    "8.04",
    claim="the best path is Healthy, Healthy, Fever with probability 0.01512; Viterbi is the maximum over all paths",
    source=WIKIPEDIA,
    protocol="the three parts as given; 5 models of 3 states on 8 steps",
    mark="R",
)
def decoding():
    model, x = clinic(), [["normal", "cold", "dizzy"]]
    names = np.array(["Healthy", "Healthy", "Fever"])
    yield check("path", " ".join(np.array(["Healthy", "Fever"])[model.predict(x)[0]]), " ".join(names))
    yield check("its probability with the sequence", np.exp(model.path_log_prob(x))[0], 0.01512, digits=12)
    rng, wrong, worst = np.random.default_rng(1), 0, 0.0
    for _ in range(5):
        m, joint = tiny(rng)
        x = rng.integers(0, 4, 8)
        best = max(itertools.product(range(3), repeat=8), key=lambda z: joint(z, x))
        wrong += tuple(m.predict([x])[0]) != best
        worst = max(worst, abs(np.exp(m.path_log_prob([x])[0]) / joint(best, x) - 1))
    yield check("paths that are not the best of 6,561", wrong, 0)
    yield check("largest relative error of their probability", worst, at_most=1e-12)


def by_em(counts, rates, **settings):
    """Baum-Welch to the end from given rates and persistent states."""
    from peira.sequences import PoissonHMM

    K = len(rates)
    A = np.full((K, K), 0.1 / max(K - 1, 1)) + (0.9 - 0.1 / max(K - 1, 1)) * np.eye(K) if K > 1 else np.ones((1, 1))
    start = {"startprob_init": np.full(K, 1 / K), "transmat_init": A, "lambdas_init": np.array(rates, float)[:, None]}
    return PoissonHMM(K, tol=1e-10, n_iter=100_000, **start, **settings).fit([counts])


def stationary(counts, K):
    """Minus the largest log likelihood of a chain that starts in its stationary distribution, found directly."""
    from scipy.optimize import minimize

    from peira.sequences import PoissonHMM
    from peira.sequences.state_chain import Chain

    off = ~np.eye(K, dtype=bool)

    def parts(theta):
        A = np.eye(K)
        A[off] = np.exp(theta[K:])
        A /= A.sum(1, keepdims=True)
        return Chain(np.full(K, 1 / K), A).stationary(), A, np.exp(theta[:K])

    def cost(theta):
        return -PoissonHMM.from_parts(*parts(theta)).log_prob([counts])[0]

    start = by_em(counts, np.quantile(counts, (np.arange(K) + 0.5) / K) if K > 1 else [counts.mean()])
    theta = np.r_[np.log(start.lambdas_[:, 0]), np.log((start.transmat_ + 1e-3)[off])]
    for _ in range(3):
        found = minimize(cost, theta, method="BFGS", options={"gtol": 1e-6})
        theta = found.x
    return found.fun


@reproduction(
    "8.05",
    claim="earthquakes, Poisson emissions by EM: log L -391.9189, -341.8787, -328.5275, -326.4635 for 1 to 4 states",
    source=ZM,
    protocol="107 yearly counts of earthquakes of magnitude 7 or more, 1900 to 2006; EM to 1e-10 from rates spread "
    "over the counts (three states: 10, 20, 30); the stationary model by direct maximisation",
    data="earthquakes.csv",
    mark="R",
)
def earthquakes():
    counts = quakes()
    yield check("counts", len(counts), 107)
    yield check("mean and variance", [counts.mean(), counts.var(ddof=1)], [19.364, 51.573], tolerance=5e-4)
    starts = {1: [19.0], 2: [15.0, 25.0], 3: [10.0, 20.0, 30.0], 4: [10.0, 15.0, 20.0, 30.0]}
    references = {1: -391.9189, 2: -341.8787, 3: -328.5275, 4: -326.4635}
    found = {K: by_em(counts, rates) for K, rates in starts.items()}
    for K, model in found.items():
        yield check(f"log likelihood, {K} states", model.log_prob([counts])[0], references[K], tolerance=1e-4)
    three = found[3]
    yield check("rates of three states", np.sort(three.lambdas_[:, 0]), [13.1338, 19.7132, 29.7097], tolerance=1e-4)
    yield check("AIC of three states", three.aic([counts]), 679.06, tolerance=6e-3)
    rises = np.diff(three.history_["log_likelihood"])
    yield check("largest fall of the log likelihood in EM", -rises.min(), at_most=1e-10)
    minus = stationary(counts, 3)
    yield check("minus log likelihood, three states, stationary", minus, 329.4603, tolerance=1e-4)
    yield check("its AIC and BIC", [2 * minus + 18, 2 * minus + 9 * np.log(107)], [676.92, 700.98], tolerance=6e-3)


@reproduction(
    "8.06",
    claim="posterior means of the transitions and levels of posteriordb's hmm_example",
    source="stan-dev/posteriordb, reference posterior hmm_example-hmm_example (means of 10,000 draws)",
    protocol="Gibbs: paths drawn by forward filtering and backward sampling, then rows and levels from their "
    "conditionals; 40,000 sweeps, 1,000 left out; within three standard errors of both sides (batches of 500)",
    data="hmm_example.json",
    mark="V",
    slow=True,
)
def posterior():
    from peira.sequences import GaussianHMM
    from peira.sequences.baum_welch import evaluate
    from peira.sequences.viterbi import draw_paths

    table = data("hmm_example.json")
    y, rng = np.array(table["y"]), np.random.default_rng(0)
    A, mu, kept = np.full((2, 2), 0.5), np.array([3.0, 10.0]), []
    model = GaussianHMM.from_parts([0.5, 0.5], A, mu[:, None], np.ones((2, 1)))
    steps = model._asked([y])[1]
    alpha, path, centre = np.empty((len(y), 2)), np.empty(len(y), dtype=np.int64), np.array([3.0, 10.0])
    for sweep in range(40_000):
        model.transmat_, model.means_ = A, mu[:, None]
        evaluate(model._chain(), model._emissions(), steps, alpha)
        draw_paths(alpha, A, steps.lengths, rng.random(len(y)), path)
        moves = np.bincount(path[:-1] * 2 + path[1:], minlength=4).reshape(2, 2)
        A = np.stack([rng.dirichlet(1.0 + row) for row in moves])
        n, total = np.bincount(path, minlength=2), np.bincount(path, weights=y, minlength=2)
        while True:
            mu = (centre + total) / (1 + n) + rng.standard_normal(2) / np.sqrt(1 + n)
            if 0 < mu[0] < mu[1]:
                break
        if sweep >= 1000:
            kept.append([*A.ravel(), *mu])
    draws = np.array(kept)
    batches = draws.reshape(-1, 500, 6).mean(1)
    error = np.hypot(batches.std(0, ddof=1) / len(batches) ** 0.5, table["mcse_mean"])
    off = (draws.mean(0) - np.array(table["mean_value"])) / error
    for name, value in zip(table["names"], off, strict=True):
        yield check(f"mean of {name}, in standard errors", abs(value), at_most=3.0)


@reproduction(
    "8.07",
    claim="AIC and BIC choose three states on the earthquakes; Gaussian and mixture emissions agree with hmmlearn",
    source=ZM + "; hmmlearn 0.3.3 beside it",
    protocol="stationary models of 1 to 4 states by direct maximisation; EM of 10 steps from the same start, every "
    "covariance type, 5 sequences of 60 steps",
    data="earthquakes.csv",
    mark="V",
)
def orders():
    counts = quakes()
    minus = {K: stationary(counts, K) for K in (1, 2, 3, 4)}
    aic = {K: 2 * v + 2 * K * K for K, v in minus.items()}
    bic = {K: 2 * v + K * K * np.log(len(counts)) for K, v in minus.items()}
    yield check("states by AIC, stationary", min(aic, key=aic.get), 3)
    yield check("states by BIC, stationary", min(bic, key=bic.get), 3)
    from peira.sequences import PoissonHMM
    from peira.sequences.hmm_order import choose_states

    chosen = choose_states(PoissonHMM(n_init=5, tol=1e-6, n_iter=5000, random_state=0), [counts], (1, 2, 3, 4), "aic")
    yield check("states by AIC, with free initial probabilities", chosen.answer, 3)
    yield from parity()


def parity():
    """The same EM steps as hmmlearn from the same start."""
    import logging
    import warnings

    from hmmlearn import hmm

    from peira.sequences import GaussianHMM

    logging.getLogger("hmmlearn").setLevel(logging.CRITICAL)
    rng, K, D = np.random.default_rng(0), 3, 2
    X = rng.normal(size=(300, D)) + 3 * rng.integers(0, 3, 300)[:, None]
    lengths, A = [60] * 5, np.full((K, K), 0.2) + 0.4 * np.eye(K)
    covars = {"full": np.stack([np.eye(D)] * K), "tied": np.eye(D), "diag": np.ones((K, D)), "spherical": np.ones(K)}
    for shape, start in covars.items():
        prior = 0.01 * np.eye(D) if shape in ("full", "tied") else 0.01
        peer = hmm.GaussianHMM(K, shape, init_params="", n_iter=10, tol=-np.inf, covars_prior=prior)
        peer.startprob_, peer.transmat_, peer.means_ = np.full(K, 1 / K), A, X[:K]
        peer.covars_ = start
        peer.fit(X, lengths)
        ours = GaussianHMM(
            K, covariance_type=shape, n_iter=10, tol=0.0, covars_prior=prior, startprob_init=np.full(K, 1 / K),
            transmat_init=A, means_init=X[:K], covars_init=start,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours.fit(np.split(X, 5))
        theirs = peer._covars_[:, :, None] * np.eye(D) if shape == "spherical" else peer.covars_
        pairs = ((ours.transmat_, peer.transmat_), (ours.means_, peer.means_), (ours._emissions().matrices(), theirs))
        gap = max(np.abs(a - b).max() for a, b in pairs)
        yield check(f"largest difference of a learned number, {shape}", gap, at_most=1e-8)
        total = ours.log_prob(np.split(X, 5)).sum()
        yield check(f"log likelihood against hmmlearn's, {shape}", total, peer.score(X, lengths), relative=1e-10)
