"""Rows 7.11, 7.12 and 7.13: reservoirs that forecast, that classify utterances, and that spike."""

import numpy as np

from evidence import check, data, reproduction

VOWELS = "time-series-classification/japanesevowels.npz"
JAEGER = {  # Jaeger (2001), 6.2: radius 0.79, C = 0.44, a = 0.9; a state times a has radius 0.79 / a and leak C a
    "units": 400, "spectral_radius": 0.79 / 0.9, "leak": 0.396, "input_scaling": 0.56, "bias_scaling": 0.028,
    "connections": 5, "standardise": False, "direct": False, "washout": 1000, "differences": 0,
}  # fmt: skip


def mackey_glass(T, tau, seeds):
    """Series of T unit steps, one a column, by Euler's steps of 0.1 after 1,000 unit steps (Jaeger 2001, eq. 23)."""
    skip, m = 1000, 10
    past = 1.2 + 0.2 * (np.array([np.random.default_rng(s).uniform(size=tau * m + 1) for s in seeds]).T - 0.5)
    x = np.concatenate([past, np.empty(((T + skip) * m, len(seeds)))])
    for i in range(tau * m, len(x) - 1):
        then = x[i - tau * m]
        x[i + 1] = x[i] + (0.2 * then / (1 + then**10) - 0.1 * x[i]) / m
    return x[tau * m + 1 + skip * m :: m][:T]


def nrmse84(tau, T, runs, **settings):
    """Error 84 steps ahead in 50 stretches of a new series, in standard deviations, for reservoirs of several seeds."""
    from peira.sequences import EchoStateForecaster

    y, new = mackey_glass(T, tau, [0])[:, 0], mackey_glass(50 * 1084, tau, [1]).reshape(50, 1084)
    fed, found = np.tanh(new[:, :1000, None] - 1), []
    for seed in range(runs):
        model = EchoStateForecaster(**JAEGER | settings, random_state=seed).fit(np.tanh(y - 1))
        said = np.arctanh(model.predict(fed, horizon=84)[:, 83, 0].clip(-0.9999, 0.9999)) + 1
        found.append(np.sqrt(np.mean((said - new[:, -1]) ** 2) / 0.067))
    return np.array(found)


@reproduction(
    "7.11",
    claim="400 units forecast Mackey-Glass 84 steps ahead: error 2.8e-4 of its deviation at tau = 17 (3,000 "
    "steps), 1.2e-4 (21,000), and .11 and .032 at tau = 30",
    source="Jaeger (2001), GMD Report 148, section 6: one network, of which scalings, radius, C and a were set by hand",
    protocol="section 6: Euler's steps of 0.1, every tenth read, y = tanh(x - 1); 1,000 first steps only warm up; "
    "teacher forcing for 1,000 steps in 50 stretches of a new series, 84 by itself, compared before tanh; variance "
    "0.067; his radius, C, a, scalings and noise (1e-5) for 3,000 steps at tau = 30; median over 10 reservoirs. Ours: "
    "weights uniform (his: -.4, 0, .4), penalties 1e-14, 1e-7 and 3e-9 in place of none and of noise at 21,000 steps "
    "(the last chosen on 50 stretches of a third series), one readout of all 21,000 steps (his: mean of four), leak "
    "0.5 at tau = 17. Not held is the last figure: single reservoirs of ours reach it, the median of ten does not; on "
    "the third series it is no better with his noise and the mean of four",
    mark="V",
    slow=True,
)
def mackey_glass_forecasts():
    for tau, T, reference, settings in (
        (17, 3_000, 2.8e-4, {"alpha": 1e-14, "leak": 0.5}),
        (17, 21_000, 1.2e-4, {"alpha": 1e-14, "leak": 0.5}),
        (30, 3_000, 0.11, {"alpha": 1e-7, "noise": 1e-5}),
        (30, 21_000, 0.032, {"alpha": 3e-9}),
    ):
        errors = nrmse84(tau, T, 10, **settings)
        yield check(
            f"tau = {tau}, {T:,} steps: median error",
            float(np.median(errors)),
            at_most=reference,
            note=f"ours {errors.min():.2g} to {errors.max():.2g} over {len(errors)} reservoirs",
        )


@reproduction(
    "7.11",
    claim="a linear readout of N units recalls past inputs up to a total of N; tanh units recall less",
    source="Jaeger (2001), GMD Report 152, proposition 2: memory capacity is at most N for independent inputs",
    protocol="50 units, 20,000 independent inputs, delays 1 to 100, squared correlations on 10,000 new inputs; "
    "inputs so "
    "small that tanh is nearly linear, and of size 1",
    mark="C",
)
def memory_capacity():
    from peira.sequences.reservoir import Reservoir

    N, T, most = 50, 20_000, 100
    rng = np.random.default_rng(0)
    u = rng.uniform(-1, 1, T + 10_000)
    first = np.zeros(len(u), dtype=bool)
    first[0] = True
    capacities = []
    for scaling in (1e-3, 1.0):
        pool = Reservoir.draw(N, 1, np.random.default_rng(1), spectral_radius=0.95, input_scaling=scaling)
        X = np.concatenate([S.copy() for _, S in pool.blocks(u[:, None], first)]) / scaling
        past = np.stack([np.roll(u, k) for k in range(1, most + 1)], 1)
        B = np.linalg.lstsq(X[200:T], past[200:T], rcond=None)[0]
        said, true = X[T:] @ B, past[T:]
        r = [np.corrcoef(said[:, k], true[:, k])[0, 1] ** 2 for k in range(most)]
        capacities.append(float(np.sum(r)))
    yield check("memory capacity of nearly linear units", capacities[0], at_least=0.6 * N, at_most=N + 0.5)
    yield check("memory capacity at inputs of size 1", capacities[1], at_most=capacities[0])


@reproduction(
    "7.11",
    claim="two copies of a reservoir that start differently come together below a spectral radius of 1, and the "
    "radius is "
    "the one asked for",
    source="Jaeger (2001), GMD Report 148: the echo state property; eigenvalues by numpy",
    protocol="300 units, 10 connections each; distance after 500 steps of the same inputs",
    mark="C",
)
def echo_states():
    from peira.sequences.reservoir import Reservoir

    u = np.random.default_rng(0).uniform(-1, 1, (501, 1))
    for radius in (0.5, 0.9):
        pool = Reservoir.draw(300, 1, np.random.default_rng(0), spectral_radius=radius)
        W = pool.matrix().toarray()
        yield check("spectral radius", float(np.abs(np.linalg.eigvals(W)).max()), radius, relative=1e-6)
        ends = []
        for start in (0, 1):  # the second copy comes from another first input
            v = u.copy()
            v[0] += 5 * start
            first = np.arange(len(v)) == 0
            ends.append([S.copy() for _, S in pool.blocks(v, first)][-1][-1])
        yield check(f"distance at radius {radius}", float(np.abs(ends[0] - ends[1]).max()), at_most=1e-9)


@reproduction(
    "7.12",
    claim="speakers of Japanese vowels: 92.83 % of utterances right by reservoirpy's tutorial, 94.1 % by Kudo, "
    "96.2 % by "
    "HMM, none wrong by Jaeger's ensemble",
    source="reservoirpy's tutorial on classification; Kudo et al. (1999); Jaeger et al. (2007), Neural Networks 20",
    protocol="270 utterances to learn from, 370 new ones, 12 cepstra a step; 5 reservoirs of 200 units; defaults "
    "otherwise",
    data=VOWELS,
    mark="V",
    slow=True,
)
def japanese_vowels():
    from peira.experience.sequences import Sequences
    from peira.sequences import EchoStateClassifier, LiquidStateClassifier

    archive = data(VOWELS)
    train = Sequences(archive["x_train_flat"], archive["length_train"])
    new = Sequences(archive["x_test_flat"], archive["length_test"])
    y, y_new = archive["y_train"], archive["y_test"]
    for name, make in (("echo state", EchoStateClassifier), ("liquid state", LiquidStateClassifier)):
        models = [make(random_state=seed).fit(train, y) for seed in range(5)]
        right = [100 * m.score(new, y_new) for m in models]
        yield check(
            f"{name}: mean accuracy, %", float(np.mean(right)), at_least=96.2, note=f"each: {np.round(right, 2)}"
        )
    models = [EchoStateClassifier(random_state=seed).fit(train, y) for seed in range(10)]
    votes = np.mean([m.predict_proba(new) for m in models], 0).argmax(1)
    wrong = int((models[0].classes_[votes] != y_new).sum())
    yield check("utterances that 10 reservoirs together get wrong", wrong, at_most=7, note="Jaeger's 1,000: none")


@reproduction(
    "7.13",
    claim="a unit fires at the rate of the closed form, and liquids end the farther apart the more their inputs differ",
    source="Gerstner & Kistler (2002), eq. 4.9; Maass, Natschlaeger & Markram (2002), figure 2, for the separation",
    protocol="rates at 9 currents over 100 s in steps of 1 ms; 135 units, 40 pairs of smooth random inputs of 500 "
    "ms at "
    "four distances",
    mark="C",
)
def liquids():
    from peira.sequences.liquid_state import Liquid

    times = {"membrane": 30.0, "synapse": 5.0, "trace": 30.0, "rest": 3, "duration": 10}
    currents = np.linspace(0.8, 4.0, 9)
    alone = Liquid(np.empty(0), np.empty(0, dtype=np.int64), np.zeros(10, dtype=np.int64), np.zeros((9, 1)), currents,
                   **times | {"trace": 1e12})  # fmt: skip
    T = 10_000
    spikes = [S.copy() for _, S in alone.blocks(np.zeros((T, 1)), np.arange(T) == 0)][-1][-1]
    above = currents > 1
    interval = times["rest"] + times["membrane"] * np.log(currents[above] / (currents[above] - 1))
    measured = 10.0 * T / spikes[above]  # milliseconds; a spike waits for the end of its step of 1 ms
    late = measured - interval
    yield check("units below the threshold that fired", float(spikes[~above].sum()), 0.0)
    yield check("intervals too long by, ms", late, at_least=-0.05, at_most=1.05)

    rng = np.random.default_rng(0)
    weights = {"strength": 0.1, "connections": 10, "input_scaling": 0.5, "bias": 0.9}
    liquid = Liquid.draw(135, 1, rng, **weights, **times)

    def smooth():
        u = np.convolve(rng.standard_normal(54), np.ones(5) / 5**0.5, "valid")
        return u / np.sqrt(np.mean(u**2))

    def state(u):
        return np.concatenate([S.copy() for _, S in liquid.blocks(u[:, None], np.arange(len(u)) == 0)])

    distances = (0.05, 0.1, 0.3, 1.0)
    apart = np.zeros(4)
    for _ in range(40):
        u, other = smooth(), smooth()
        apart += [np.linalg.norm(state(u) - state(u + d * other), axis=1).mean() / 40 for d in distances]
    yield check(
        "distances of states at inputs .05, .1, .3, 1 apart: least step up", float(np.diff(apart).min()), at_least=0
    )
    yield check("distance of states at the farthest, of that at the nearest", float(apart[3] / apart[0]), at_least=2.0)
