"""Row 18.11: densities by histograms and kernels, against what theory says of their errors."""

import math

import numpy as np

from evidence import check, reproduction


def expected_error(N, h):
    """Of a standard normal and a Gaussian kernel."""
    half = 2 * math.sqrt(math.pi)
    return (1 / (N * h) + (1 - 1 / N) / math.sqrt(1 + h * h) - math.sqrt(8 / (2 + h * h)) + 1) / half


@reproduction(
    "18.11",
    claim="the mean integrated squared error of a kernel density of a Gaussian is that of the closed form",
    source="Fryer (1976), Journal of the Institute of Mathematics and its Applications 18, 371-380; Marron & "
    "Wand (1992), Annals of Statistics 20, 712-736",
    protocol="standard normal samples of 100 rows, Gaussian kernel, three bandwidths, 400 samples each",
    mark="C",
)
def expected_squared_error():
    from peira.latent import KernelDensity

    N, x = 100, np.linspace(-8, 8, 801)
    truth = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    for h in (0.2, 0.4, 0.8):
        rng, errors = np.random.default_rng(0), []
        for _ in range(400):
            p = np.exp(KernelDensity(bandwidth=h).fit(rng.normal(size=(N, 1))).log_prob(x[:, None]))
            errors.append(((p - truth) ** 2).sum() * (x[1] - x[0]))
        closed = expected_error(N, h)
        spread = 4 * float(np.std(errors)) / math.sqrt(len(errors))
        yield check(f"mean integrated squared error, h = {h}", float(np.mean(errors)), closed, tolerance=spread)


@reproduction(
    "18.11",
    claim="the bandwidth for a Gaussian is 1.06 s n^(-1/5); cross-validation and the plug-in come near it",
    source="Silverman (1986), Density Estimation, eq. 3.28; Botev, Grotowski & Kroese (2010), Annals of Statistics 38",
    protocol="normal samples of 1,000 rows; the exact factor (4/3)^(1/5) = 1.0592; medians of 9 samples",
    mark="C",
)
def bandwidths():
    from peira.latent import KernelDensity

    ratios = {rule: [] for rule in ("normal_reference", "likelihood", "least_squares", "improved_sheather_jones")}
    for seed in range(9):
        X = np.random.default_rng(seed).normal(3.0, 2.0, size=(1000, 1))
        for rule, found in ratios.items():
            found.append(KernelDensity(bandwidth=rule).fit(X).bandwidth_ / (X.std(ddof=1) * 1000**-0.2))
    yield check("reference rule over s n^(-1/5)", float(ratios["normal_reference"][0]), (4 / 3) ** 0.2, relative=1e-9)
    for rule in ("likelihood", "improved_sheather_jones"):
        yield check(f"{rule} over s n^(-1/5)", float(np.median(ratios[rule])), 1.06, tolerance=0.25)
    noisy = float(np.median(ratios["least_squares"]))  # its spread falls as N^(-1/10) only: Hall & Marron (1987)
    yield check("least_squares over s n^(-1/5)", noisy, at_least=0.6, at_most=1.3)


@reproduction(
    "18.11",
    claim="errors fall faster for kernels than for histograms, whose rate is N^(-2/3), each at its best width",
    source="Scott (1992), Multivariate Density Estimation, theorems 3.1 and 6.1",
    protocol="standard normal samples of 100 and 10,000 rows; squared errors by sums on a grid, means of 40 and 20; "
    "the kernel's slope between these sizes by the closed form, on its way to -4/5",
    mark="C",
)
def rates():
    from peira.latent import HistogramDensity, KernelDensity

    x = np.linspace(-7, 7, 2801)
    truth = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    def error(make, N, repeats):
        found = []
        for seed in range(repeats):
            p = np.exp(make().fit(np.random.default_rng(seed).normal(size=(N, 1))).log_prob(x[:, None]))
            found.append(((p - truth) ** 2).sum() * (x[1] - x[0]))
        return float(np.mean(found))

    closed = math.log(expected_error(10_000, 1.0592 * 10_000**-0.2) / expected_error(100, 1.0592 * 100**-0.2))
    for name, make, rate in (
        ("kernel", lambda: KernelDensity(bandwidth="normal_reference"), closed / math.log(100)),
        ("histogram", lambda: HistogramDensity(bins="scott"), -2 / 3),
    ):
        slope = math.log(error(make, 10_000, 20) / error(make, 100, 40)) / math.log(100)
        yield check(f"slope of the log error in log N, {name}", slope, rate, tolerance=0.08)
