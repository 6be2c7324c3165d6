"""Row 8.08: scalar quantisation by Lloyd and Max, vector quantisation by Linde, Buzo and Gray."""

import numpy as np

from evidence import check, reproduction


@reproduction(
    "8.08",
    claim="the best quantiser of a normal number: mean squared error .363380 with 1 bit, .117482 with 2, .034548 with "
    "3, .009501 with 4; the levels of 2 bits are .4528 and 1.5104",
    source="Max (1960), Table I, as recalled in the field (the curriculum's row 8.08)",
    protocol="the fixed point of levels and thresholds for the standard normal density between -12 and 12",
    mark="R",
)
def normal_levels():
    from scipy.stats import norm

    from peira.sequences.lloyd_max import lloyd_max

    for bits, error in ((1, 0.363380), (2, 0.117482), (3, 0.034548), (4, 0.009501)):
        best = lloyd_max(norm.pdf, 2**bits, -12, 12)
        yield check(f"mean squared error, {bits} bits", best.error, error, tolerance=5e-7)
        if bits == 2:
            yield check("positive levels, 2 bits", best.levels[2:], [0.4528, 1.5104], tolerance=5e-5)


@reproduction(
    "8.08",
    claim="levels learned from a sample are those of the density",
    source="the fixed point for the density, by another route",
    protocol="1,000,000 standard normal numbers; errors within 4 standard errors of the sample's mean square",
    mark="C",
)
def levels_of_a_sample():
    from scipy.stats import norm

    from peira.sequences import ScalarQuantiser
    from peira.sequences.lloyd_max import lloyd_max

    x = np.random.default_rng(0).normal(size=(1_000_000, 1))
    for bits in (1, 2, 3, 4):
        best = lloyd_max(norm.pdf, 2**bits, -12, 12)
        model = ScalarQuantiser(2**bits).fit(x)
        spread = float(((x - model.transform(x)) ** 2).std() / 1000)
        yield check(f"mean squared error, {bits} bits", model.error_[0], best.error, tolerance=4 * spread)
        yield check(f"levels, {bits} bits", model.levels_[0], best.levels, tolerance=0.02)


@reproduction(
    "8.08",
    claim="a codebook by splitting ends where both conditions hold, and SciPy's k-means cannot improve it; it is about "
    "as good as the best of 20 starts",
    source="Linde, Buzo & Gray (1980), IEEE Transactions on Communications 28, 84-95; SciPy's kmeans2",
    protocol="20,000 pairs of neighbouring samples of a Gauss-Markov source with correlation .9; 4 to 64 words",
    mark="C",
)
def codebooks():
    from scipy.cluster.vq import kmeans2

    from peira.latent import KMeans
    from peira.sequences import VectorQuantiser

    rng = np.random.default_rng(0)
    z = rng.normal(size=(2, 20_000))
    X = np.column_stack([z[0], 0.9 * z[0] + np.sqrt(1 - 0.81) * z[1]])

    def distortion(C):
        return float(((X[:, None] - C) ** 2).sum(2).min(1).mean())

    for K in (4, 16, 64):
        model = VectorQuantiser(K, tol=0.0, max_iter=2000).fit(X)
        theirs, _ = kmeans2(X, model.cluster_centers_.copy(), minit="matrix", iter=1)
        yield check(f"largest move in one more step, {K} words", np.abs(theirs - model.cluster_centers_).max(), 0.0,
                    tolerance=1e-12)  # fmt: skip
        best = KMeans(K, n_init=20, random_state=0).fit(X)
        yield check(f"distortion over the best of 20 starts, {K} words",
                    distortion(model.cluster_centers_) / distortion(best.cluster_centers_), at_most=1.02)  # fmt: skip
    one = distortion(VectorQuantiser(16).fit(X).cluster_centers_)
    from peira.sequences import ScalarQuantiser

    each = float(ScalarQuantiser(4).fit(X).error_.sum())
    yield check("16 words for a pair over 4 levels for each: distortion", one / each, at_most=0.75)
