"""Rows 8.01, 8.02, and the bigram of 7.09: Markov chains against closed forms, n-gram models on three texts."""

import numpy as np

from evidence import Grid, check, data, reproduction

SHAKESPEARE = [3.3473, 2.4838, 2.0413, 1.7223, 1.5663, 1.5385, 1.5469, 1.5679]


@reproduction(
    "8.01",
    claim="the letters of Eugene Onegin: a vowel follows a vowel with probability .128, a consonant with .663; "
    "43.2 % are vowels in the long run",
    source="Markov (1913), An example of statistical investigation of the text Eugene Onegin: 20,000 letters, 8,638 "
    "vowels, 1,104 of them after a vowel",
    protocol="the pairs of letters by their numbers, as sequences with weights; maximum likelihood",
    mark="M",
)
def onegin():
    from peira.sequences import MarkovChain

    vowels, letters, after_vowel = 8638, 20_000, 1104
    pairs = {"vv": after_vowel, "vc": vowels - after_vowel, "cv": vowels - after_vowel}
    pairs["cc"] = letters - sum(pairs.values())
    chain = MarkovChain(alpha=0.0).fit(list(pairs), sample_weight=list(pairs.values()))
    yield check("p(vowel | vowel), p(vowel | consonant)", chain.transmat_[::-1, 1], [0.128, 0.663], tolerance=0.0005)
    yield check("share of vowels, stationary", chain.stationary()[1], 0.432, tolerance=0.0005)
    yield check("spectral gap: 1 - |p(v|v) - p(v|c)|", chain.spectral_gap(), 1 - (0.663 - 0.128), tolerance=0.001)


@reproduction(
    "8.01",
    claim="absorption, passages, spectral gap and mixing of classical chains are those of their closed forms",
    source="Kemeny & Snell (1960), Finite Markov Chains; Levin, Peres & Wilmer (2009), Markov Chains and Mixing Times; "
    "the gambler's ruin; Ehrenfest's urn",
    protocol="ruin with p = 0.5 and 0.45 over 20 stakes; walk on a cycle of 24, at rest half the time; urn of 12 balls",
    mark="C",
)
def classical_chains():
    from peira.sequences import MarkovChain

    for p in (0.5, 0.45):
        K, i = 20, np.arange(1, 20)
        P = np.diag(np.full(K, p), 1) + np.diag(np.full(K, 1 - p), -1)
        P[0], P[K] = np.eye(K + 1)[0], np.eye(K + 1)[K]
        r = (1 - p) / p
        win = i / K if p == 0.5 else (1 - r**i) / (1 - r**K)
        steps = i * (K - i) if p == 0.5 else (i - K * win) / (1 - 2 * p)
        left = MarkovChain.of(P).absorption()
        yield check(f"ruin, p = {p}: probability to win", left.probabilities[:, 1], win, relative=1e-10)
        yield check(f"ruin, p = {p}: steps", left.steps, steps, relative=1e-10)
    n = 24
    turn = np.roll(np.eye(n), 1, 1)
    cycle = MarkovChain.of(0.5 * np.eye(n) + 0.25 * (turn + turn.T))
    yield check("cycle: spectral gap", cycle.spectral_gap(), (1 - np.cos(2 * np.pi / n)) / 2, relative=1e-10)
    k = np.arange(n)
    yield check("cycle: steps to state 0", cycle.hitting_times([0]), 2.0 * k * (n - k), relative=1e-10)
    distance = _distance_on_the_cycle(n, t := int(cycle.mixing_time(0.25)))
    yield check("cycle: distance at the mixing time", distance, at_most=0.25)
    yield check("cycle: distance a step before", _distance_on_the_cycle(n, t - 1), at_least=0.25)
    M, k = 12, np.arange(13)
    urn = np.diag((M - k[:-1]) / M, 1) + np.diag(k[1:] / M, -1)
    chain = MarkovChain.of(urn)
    binomial = np.array([_choose(M, int(j)) for j in k]) / 2.0**M
    yield check("urn: stationary distribution", chain.stationary(), binomial, relative=1e-12)
    yield check("urn: period", chain.classes()[0].period, 2)
    yield check("urn: mean return to the empty side", chain.first_passages()[0, 0], 2.0**M, relative=1e-9)
    lazy = MarkovChain.of((urn + np.eye(M + 1)) / 2)
    yield check("urn at rest half the time: spectral gap", lazy.spectral_gap(), 1 / M, relative=1e-10)


def _distance_on_the_cycle(n, t):
    """Total variation from uniform after t steps, by the walk's eigenfunctions (cosines)."""
    j = np.arange(n)
    p = (np.cos(2 * np.pi * np.outer(j, j) / n) * ((1 + np.cos(2 * np.pi * j / n)) / 2) ** t).sum(1) / n
    return 0.5 * np.abs(p - 1 / n).sum()


def _choose(n, k):
    from math import comb

    return comb(n, k)


@reproduction(
    "8.01",
    claim="what is simulated agrees with what is computed",
    source="identities of one random chain of 6 states",
    protocol="20,000 sequences of 200 steps: share of time, entropy rate as mean surprise, hitting times from state 0",
    mark="C",
)
def simulated():
    from peira.sequences import MarkovChain

    rng, K, N, T = np.random.default_rng(0), 6, 20_000, 200
    P = rng.dirichlet(np.full(K, 0.6), K)
    chain = MarkovChain.of(P, startprob=np.eye(K)[0])
    drawn = np.array(chain.sample(N, length=T, random_state=1))
    late = drawn[:, T // 2 :]
    shares = (late[:, :, None] == np.arange(K)).mean(1)
    spread = 5 * shares.std(0) / N**0.5
    yield check("share of time in each state", shares.mean(0), chain.stationary(), tolerance=spread)
    surprise = -np.log(P[late[:, :-1], late[:, 1:]]).mean(1)
    yield check("entropy rate", surprise.mean(), chain.entropy_rate(), tolerance=5 * float(surprise.std() / N**0.5))
    for target in range(1, K):
        steps = (drawn == target).argmax(1)[(drawn == target).any(1)]
        yield check(
            f"steps from 0 to {target}", steps.mean(), chain.hitting_times([target])[0],
            tolerance=5 * float(steps.std() / len(steps) ** 0.5) + 1e-3,
        )  # fmt: skip


@reproduction(
    "8.02",
    claim="PTB: modified Kneser-Ney of order 5 has perplexity 148.0 on the validation text, 141.2 on the test text",
    source="recomputed with independent code; Mikolov et al. (2010; 2011): KN5 141",
    protocol="42,068 training lines; each line is a sentence with a beginning and a predicted end; 10,000 words with "
    "<unk>, closed; Chen & Goodman's three discounts for each length; all words and ends count",
    data=("text-ptb/ptb.train.txt.gz", "text-ptb/ptb.valid.txt.gz", "text-ptb/ptb.test.txt.gz"),
    mark="R",
)
def penn_treebank():
    from peira.sequences import NGramModel

    texts = {part: _lines(f"text-ptb/ptb.{part}.txt.gz") for part in ("train", "valid", "test")}
    model = NGramModel(order=5).fit(texts["train"])
    yield check("words that may follow", len(model.vocabulary_), 10_000)
    yield check("validation perplexity", model.perplexity(texts["valid"]), 148.0, tolerance=0.05)
    yield check("test perplexity", model.perplexity(texts["test"]), 141.2, tolerance=0.05)
    yield check("all lengths tell their discounts", bool(model.discounts_estimated_.all()), True)
    others = {name: NGramModel(order=5, smoothing=name).fit(texts["train"]) for name in ("interpolated", "additive")}
    values = [[float(m.perplexity(texts["test"]))] for m in (model, *others.values())]
    yield Grid("test perplexity, order 5", ["modified Kneser-Ney", *others], ["perplexity"], values)
    yield check("modified Kneser-Ney is the best of the three", int(np.argmin(values)), 0)


@reproduction(
    "8.02",
    claim="tinyshakespeare: characters, orders 1 to 8, 3.3473 to 1.5385 (order 6) to 1.5679 nats a character",
    source="recomputed with independent code",
    protocol="first 90 % to learn from, last 10 % to be scored, one text, closed vocabulary of 65 characters; "
    "interpolated Kneser-Ney with one discount of 0.75; the first N - 1 characters are only context. (With Chen & "
    "Goodman's three discounts it is lower at every order from 2 on: the grid.)",
    data="text-tinyshakespeare/tinyshakespeare.txt.gz",
    mark="R",
)
def tiny_shakespeare():
    from peira.sequences import NGramModel

    text = data("text-tinyshakespeare/tinyshakespeare.txt.gz")
    cut = int(0.9 * len(text))
    found, modified = [], []
    for order in range(1, 9):
        for discount, values in ((0.75, found), (None, modified)):
            model = NGramModel(order=order, discount=discount, ends=False, open_vocabulary=False).fit(text[:cut])
            values.append(-float(model.step_log_prob(text[cut:])[0][order - 1 :].mean()))
    yield check("nats a character, order 1 to 8", found, SHAKESPEARE, tolerance=0.00005)
    gains = np.array(found) - np.array(modified)
    yield check("gain of the three discounts, order 2 to 8", gains[1:], at_least=0.0)
    yield check("best order of modified Kneser-Ney, nats", min(modified), at_most=1.5385)
    rows = [str(order) for order in range(1, 9)]
    yield Grid(
        "nats a character", rows, ["one discount of 0.75", "three discounts"],
        [list(pair) for pair in zip(found, modified, strict=True)],
    )  # fmt: skip


def _bigram():
    from peira.sequences import NGramModel

    names = data("text-names/names.txt.gz").split()
    model = NGramModel(order=2, smoothing="additive", alpha=0.0, open_vocabulary=False).fit(names)
    nats = model.bits_per_symbol(names) * np.log(2)
    yield check("nats a character, ends included", nats, 2.4540, tolerance=0.00005)
    P = np.zeros((27, 27))  # the same by hand: letters, and 0 for beginning and end
    for name in names:
        steps = [0, *(ord(letter) - 96 for letter in name), 0]
        np.add.at(P, (steps[:-1], steps[1:]), 1)
    share = P / P.sum(1, keepdims=True)
    seen = P > 0
    by_hand = -(P[seen] * np.log(share[seen])).sum() / P.sum()
    yield check("the same by a table of counts", nats, float(by_hand), digits=10)


NAMES = {
    "claim": "names: the bigram without smoothing has 2.4540 nats a character",
    "source": "recomputed with independent code; Karpathy, makemore",
    "protocol": "32,033 names to learn from and to score; letters and the end, counts without smoothing",
    "data": "text-names/names.txt.gz",
    "mark": "R",
}


@reproduction("8.02", **NAMES)
def names_bigram():
    yield from _bigram()


@reproduction("7.09", **NAMES)
def first_of_the_name_models():
    yield from _bigram()


@reproduction(
    "8.02",
    claim="the fitted chain's entropy rate is what its own texts cost, and a model of them approaches it from above",
    source="Shannon-McMillan-Breiman (Cover & Thomas 2006, theorem 16.8.1)",
    protocol="a chain of order 2 learned from 300,000 characters of tinyshakespeare, reduced to vowel, consonant, "
    "blank, other; 200 texts of 5,000 symbols drawn from it",
    data="text-tinyshakespeare/tinyshakespeare.txt.gz",
    mark="C",
)
def entropy_rate():
    from peira.sequences import MarkovChain, NGramModel

    text = data("text-tinyshakespeare/tinyshakespeare.txt.gz")[:300_000].lower()
    kinds = {c: "v" if c in "aeiou" else "c" if c.isalpha() else " " if c.isspace() else "o" for c in set(text)}
    chain = MarkovChain(2, alpha=0.0).fit("".join(kinds[c] for c in text))
    N, T = 200, 5000
    drawn = chain.sample(N, length=T, random_state=0)
    costs = -np.asarray(chain.log_prob(drawn)) / T
    rate, spread = chain.entropy_rate(), 5 * float(costs.std() / N**0.5)
    yield check("nats a symbol of its own texts", costs.mean(), rate, tolerance=spread + 2 * np.log(4) / T)
    model = NGramModel(order=3, ends=False).fit(drawn[:100])
    nats = model.bits_per_symbol(drawn[100:]) * np.log(2)
    yield check("an n-gram model of them, over the rate", nats / rate, at_least=1 - 2 * spread / rate, at_most=1.005)


def _lines(name):
    return [line.split() for line in data(name).splitlines()]
