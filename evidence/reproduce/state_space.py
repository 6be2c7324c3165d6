"""Rows 8.09 and 8.10: the Nile by a local level, EM, the particle filter's convergence, and a nonlinear benchmark."""

import math

import numpy as np

from evidence import check, data, reproduction


@reproduction(
    "8.09",
    claim="the Nile as a local level: variances 15098.5 and 1469.2, log likelihood -632.54 with a diffuse start",
    source="Durbin & Koopman (2012), Time Series Analysis by State Space Methods, section 2.2; statsmodels",
    protocol="annual flow 1871-1970, R's Nile; maximum likelihood; exact diffuse start, and N(0, 10^6) without the "
    "first year, as statsmodels has it by default",
    mark="R",
    data="time-series/Nile.csv.gz",
)
def nile():
    from scipy.optimize import minimize

    from peira.sequences import StructuralForecaster
    from peira.sequences.state_space import filtered
    from peira.sequences.structural_model import Structure

    x = data("time-series/Nile.csv.gz")["value"].astype(float)
    model = StructuralForecaster(trend="none", period=1, tol=1e-12).fit(x)
    eps, eta = model.variances_[0].tolist()
    yield check("sigma2_eps", eps, at_least=15078.0, at_most=15099.0)
    yield check("sigma2_eta", eta, at_least=1469.0, at_most=1479.0)
    yield check("log likelihood, exact diffuse", float(model.log_likelihood_[0]), reference=-632.54, tolerance=0.01)

    structure, lengths = Structure("none", 1, 0), np.array([len(x)])

    def approximate(logs):
        start = structure.model(np.exp(logs), 1.0)
        start = start._replace(S=np.full((1, 1), 1e3), W=np.zeros((1, 1)))
        first = -(math.log(2 * math.pi * (1e6 + math.exp(logs[0]))) + x[0] ** 2 / (1e6 + math.exp(logs[0]))) / 2
        return first - float(filtered(start, x[:, None], lengths).log_likelihood[0])

    best = minimize(
        approximate, np.log([15000.0, 1500.0]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}
    )
    yield check("log likelihood, start N(0, 10^6)", -float(best.fun), reference=-632.538, tolerance=0.0005)


@reproduction(
    "8.09",
    claim="EM climbs at every round to the same maximum as the gradient",
    source="Shumway & Stoffer (1982), Journal of Time Series Analysis 3, 253-264; Bishop (2006), 13.3",
    protocol="the Nile; transition, observation and start N(0, 10^7) held, both variances learned",
    mark="C",
    data="time-series/Nile.csv.gz",
)
def expectation_maximisation():
    from peira.sequences import LinearDynamicalSystem

    x = data("time-series/Nile.csv.gz")["value"].astype(float)
    model = LinearDynamicalSystem(
        1, transition=[[1.0]], observation=[[1.0]], offset=[0.0], initial_mean=[0.0], initial_cov=[[1e7]], tol=1e-13,
        max_iter=5000,
    ).fit(x)  # fmt: skip
    yield check("sigma2_eps", float(model.observation_cov_[0, 0]), reference=15098.5, relative=1e-3)
    yield check("sigma2_eta", float(model.transition_cov_[0, 0]), reference=1469.2, relative=1e-3)
    moves = np.diff(model.history_["log_likelihood"])
    yield check("least gain of a round, nats", float(moves.min()), at_least=-1e-9)


@reproduction(
    "8.09",
    claim="filter and smoother agree with statsmodels: means, covariances and the likelihood",
    source="statsmodels, UnobservedComponents with use_exact_diffuse",
    protocol="the Nile with two gaps of 20 years (Durbin & Koopman 2012, section 2.7), variances 15099 and 1469.1",
    mark="C",
    data="time-series/Nile.csv.gz",
)
def against_statsmodels():
    from peira.sequences.state_space import filtered
    from peira.sequences.structural_model import Structure

    x = data("time-series/Nile.csv.gz")["value"].astype(float)
    x[20:40], x[60:80] = np.nan, np.nan
    belief = filtered(Structure("none", 1, 0).model(np.array([15099.0, 1469.1]), 1.0), x[:, None], np.array([100]))
    z, V = belief.smooth()
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    theirs = UnobservedComponents(x, "llevel", use_exact_diffuse=True).smooth([15099.0, 1469.1])
    yield check("smoothed means", z[:, 0], reference=theirs.smoothed_state[0], relative=1e-8)
    yield check("smoothed variances", V[:, 0, 0], reference=theirs.smoothed_state_cov[0, 0], relative=1e-8)
    yield check("filtered means", belief.mean[:, 0], reference=theirs.filtered_state[0], relative=1e-8)
    # theirs counts log(2 pi) for the number that found the start, too
    theirs_without = float(theirs.llf) + math.log(2 * math.pi) / 2
    yield check("log likelihood", float(belief.log_likelihood[0]), reference=theirs_without, relative=1e-9)


@reproduction(
    "8.10",
    claim="the particle filter's log likelihood converges to Kalman's, its error falling with the root of n",
    source="Gordon, Salmond & Smith (1993), IEE Proceedings F 140, 107-113",
    protocol="local level of 50 steps; 100, 400, 1,600 and 6,400 particles, 60 seeds each; systematic resampling",
    mark="C",
)
def particles_against_kalman():
    from peira.sequences.particle_filter import particle_filter
    from peira.sequences.state_space import filtered
    from peira.sequences.structural_model import Structure

    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=50)) + rng.normal(size=50)
    model = Structure("none", 1, 0).model(np.array([1.0, 1.0]), 1.0, proper=True)
    exact = filtered(model, x[:, None], np.array([50]))

    def run(n, seed):
        return particle_filter(
            x,
            lambda n, rng: rng.normal(size=(n, 1)),
            lambda z, t, rng: z + rng.normal(size=z.shape),
            lambda v, z, t: -((v - z[:, 0]) ** 2 + math.log(2 * math.pi)) / 2,
            n_particles=n,
            random_state=seed,
        )

    sizes, spread = [100, 400, 1600, 6400], []
    for n in sizes:
        errors = np.array([run(n, s).log_likelihood for s in range(60)]) - float(exact.log_likelihood[0])
        spread.append(math.sqrt((errors**2).mean()))
    slope = np.polyfit(np.log(sizes), np.log(spread), 1)[0]
    yield check("power of n with which the error falls", float(slope), reference=-0.5, tolerance=0.1)
    found = run(50_000, 0)
    yield check("means of the state", found.mean[:, 0], reference=exact.mean[:, 0], tolerance=0.05)
    yield check("standard deviations", found.std[:, 0], reference=np.sqrt(exact.covariance[:, 0, 0]), tolerance=0.03)


@reproduction(
    "8.10",
    claim="on the univariate nonstationary growth model the particle filter finds the posterior, Gaussian filters not",
    source="Kitagawa (1987), JASA 82, 1032-1041; Gordon, Salmond & Smith (1993), section 4.1",
    protocol="100 steps, noise variances 10 and 1, start N(0, 5); the exact posterior by integration on 4,001 points",
    mark="C",
)
def growth_model():
    from peira.sequences.nonlinear_filters import NonlinearModel, extended_kalman_filter, unscented_kalman_filter
    from peira.sequences.particle_filter import particle_filter

    def move(z, t, cos):  # step t counts from 0; the model's time is that of the next step, from 1
        return z / 2 + 25 * z / (1 + z * z) + 8 * cos(1.2 * (t + 1))

    rng = np.random.default_rng(1)
    T, z, states = 100, math.sqrt(5) * rng.normal(), []
    for t in range(T):
        states.append(z)
        z = move(z, t, math.cos) + math.sqrt(10) * rng.normal()
    states = np.array(states)
    x = states**2 / 20 + rng.normal(size=T)

    grid = np.linspace(-60, 60, 4001)
    h = grid[1] - grid[0]
    p, log, means = np.exp(-(grid**2) / 10) / math.sqrt(10 * math.pi), 0.0, []
    for t in range(T):
        if t:
            kernel = np.exp(-((grid[:, None] - move(grid, t - 1, math.cos)) ** 2) / 20) / math.sqrt(20 * math.pi)
            p = kernel @ p * h
        p = p * np.exp(-((x[t] - grid**2 / 20) ** 2) / 2) / math.sqrt(2 * math.pi)
        log += math.log(p.sum() * h)
        p = p / (p.sum() * h)
        means.append((p * grid).sum() * h)
    means = np.array(means)

    def run(n, seed):
        return particle_filter(
            x,
            lambda n, rng: math.sqrt(5) * rng.normal(size=(n, 1)),
            lambda z, t, rng: move(z, t, math.cos) + math.sqrt(10) * rng.normal(size=z.shape),
            lambda v, z, t: -((v - z[:, 0] ** 2 / 20) ** 2 + math.log(2 * math.pi)) / 2,
            n_particles=n,
            random_state=seed,
        )

    found = run(20_000, 0)
    yield check("log likelihood against integration", found.log_likelihood, reference=log, tolerance=0.5)
    yield check("means of the state, root mean square", rms(found.mean[:, 0] - means), at_most=0.15)
    model = NonlinearModel(
        lambda z, t: move(z, t, math.cos), lambda z, t: z * z / 20, [[10.0]], [[1.0]], [0.0], [[5.0]]
    )
    errors = {
        "particles": rms(run(1000, 1).mean[:, 0] - states),
        "extended": rms(extended_kalman_filter(x, model).mean[0][:, 0] - states),
        "unscented": rms(unscented_kalman_filter(x, model).mean[0][:, 0] - states),
    }
    yield check(
        "error of 1,000 particles, of the exact posterior's", errors["particles"] / rms(means - states), at_most=1.1
    )
    yield check(
        "error of the extended filter, of the particles'", errors["extended"] / errors["particles"], at_least=1.5
    )
    yield check(
        "error of the unscented filter, of the particles'", errors["unscented"] / errors["particles"], at_least=1.1
    )


def rms(e):
    return float(np.sqrt((np.asarray(e) ** 2).mean()))
