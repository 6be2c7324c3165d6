"""Nets for sequences: what is filled up changes nothing, and losses, forecasts and densities are what they say."""

import numpy as np
import pytest
import torch

import peira
from peira.core.errors import DataError
from peira.experience.sequences import Sequences
from peira.layers.recurrent import CELLS
from peira.sequences import (
    SequenceClassifier,
    SequenceForecaster,
    SequenceGenerator,
    SequenceRegressor,
    SequenceTagger,
    SymbolGenerator,
    SymbolSequenceClassifier,
    SymbolTagger,
)
from peira.sequences.padded_batches import PaddedBatches
from peira.sequences.sequence_summary import SequenceSummary
from peira.sequences.windows import windows
from peira.training import Training

BRIEF = Training(optimiser="adam", learning_rate=0.01, updates=20, batch_size=8)
CLASSES = [SequenceClassifier, SequenceTagger, SequenceForecaster, SequenceGenerator]


def some(seed, N=12, D=2):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, D)) for n in rng.integers(2, 9, N)]


def taught(cls, X, **given):
    model = cls(hidden=6, random_state=0, device="cpu", **{"training": BRIEF, **given})
    if "Classifier" in cls.__name__:
        return model.fit(X, np.arange(len(X)) % 2)
    return model.fit(X, [np.arange(len(x)) % 3 for x in X]) if "Tagger" in cls.__name__ else model.fit(X)


def targets(cls, X, rows):
    """What belongs to some of the sequences: a label, a label a step, a number, nothing."""
    if "tagging" in cls.card.tasks:
        return [np.arange(len(X[i])) % 3 for i in rows]
    return [i % 2 for i in rows] if hasattr(cls, "_opened") else None


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_filled_up_changes_no_loss_and_no_gradient(cls, seed):
    model = taught(cls, some(seed), training=Training(optimiser="adam", updates=1, batch_size=None))
    seen = []
    learn = model._learn

    def listen(tensors, training, s, *, change, **others):
        seen.append(change((torch.arange(len(tensors[0])),), None))
        return learn(tensors, training, s, change=change, **others)

    model._learn = listen
    X = some(seed + 1)
    taught_again = model.fit(X, np.arange(12) % 2) if cls is SequenceClassifier else None
    if cls is SequenceTagger:
        taught_again = model.fit(X, [np.arange(len(x)) % 3 for x in X])
    model = taught_again or model.fit(X)
    batch = seen[0]
    lengths = next(part for part in batch if part.dtype == torch.int64 and part.ndim == 1 and part.max() > 2)
    T = batch[0].shape[1]
    alive = torch.arange(T) < lengths[:, None]
    found = []
    for filled in (0, 1):
        changed = []
        for part in batch:
            part = part.clone()
            if filled and part.ndim >= 2 and part.shape[1] == T and part.dtype != torch.bool:
                part[~alive] = 1
            changed.append(part)
        loss = model.loss(*changed)
        found.append([loss, *torch.autograd.grad(loss, list(model.net_.parameters()), allow_unused=True)])
    for a, b in zip(*found, strict=True):
        if a is not None:
            torch.testing.assert_close(a, b)


WEIGHED = [*CLASSES, SequenceRegressor, SymbolSequenceClassifier, SymbolTagger, SymbolGenerator]


@pytest.mark.parametrize("cls", WEIGHED)
def test_a_weight_of_two_is_the_sequence_twice_in_the_loss_and_its_gradient(cls, seed):
    counts = np.random.default_rng(seed).integers(1, 4, 12)
    X = some(seed)
    X[0][0, 1] = np.nan if cls.card.missing and cls.card.data == "sequences" else 0.0
    if cls.card.data == "symbols":
        X = ["abcab"[: len(x)] for x in X]
    once = Training(optimiser="sgd", learning_rate=0.1, updates=1, batch_size=None)
    twice = [i for i, count in enumerate(counts) for _ in range(count)]
    found = []
    for rows, w in ((range(12), counts.astype(float)), (twice, None)):
        model = cls(hidden=4, random_state=0, device="cpu", training=once)
        model.fit([X[i] for i in rows], targets(cls, X, rows), sample_weight=w)
        # The loss, and the weights as one step along its gradient leaves them.
        found.append([torch.tensor(model.history_["loss"]), *model.net_.parameters()])
        if cls.card.data == "sequences":
            found[-1] += [torch.as_tensor(model.mean_), torch.as_tensor(model.scale_)]
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_learns_and_answers_each_sequence_by_itself(cell, seed):
    X = some(seed)
    for cls in (SequenceClassifier, SequenceForecaster):
        model = taught(cls, X, cell=cell)
        answer = model.predict_proba if cls is SequenceClassifier else lambda X, m=model: m.predict(X, 3)
        together = answer(X)
        assert np.isfinite(together).all()
        for i in (0, 5):
            np.testing.assert_allclose(together[i], answer(X[i : i + 1])[0], rtol=1e-4, atol=1e-5)


def test_a_causal_tagger_does_not_change_its_mind_and_one_of_both_directions_does(seed):
    X = some(seed)
    for bidirectional in (False, True):
        model = taught(SequenceTagger, X, bidirectional=bidirectional)
        whole = model.predict_dist([X[0], X[1]]).probs[: len(X[0]) - 1]
        cut = model.predict_dist([X[0][:-1], X[1]]).probs[: len(X[0]) - 1]
        assert np.allclose(whole, cut, atol=1e-6) != bidirectional


@pytest.mark.parametrize("cls", [SequenceClassifier, SequenceTagger, SequenceForecaster])
def test_missing_numbers_are_learned_from_and_are_not_zeros(cls, seed):
    X = some(seed)
    for x in X[::2]:
        x[0, 0] = np.nan
    model = taught(cls, X)
    assert model.gaps_.tolist() == [True, False]
    assert model.net_.body.D == 3
    answer = model.predict_proba if cls is SequenceClassifier else lambda X: model.predict_dist(X).mean
    answer = (lambda X: model.predict_dist(X).probs) if cls is SequenceTagger else answer
    filled = [np.where(np.isnan(x), model.mean_, x) for x in X]
    assert np.isfinite(answer(X)).all()
    assert (answer(X) != answer(filled)).any()


def test_a_gap_in_a_number_that_never_had_one_is_its_mean(seed):
    X = some(seed)
    model = taught(SequenceClassifier, X)
    assert not model.gaps_.any()
    mean = [np.where(np.arange(len(x))[:, None] == 1, model.mean_, x) for x in X]
    gone = [np.where(np.arange(len(x))[:, None] == 1, np.nan, x) for x in X]
    np.testing.assert_allclose(model.predict_proba(gone), model.predict_proba(mean), rtol=1e-5)


def test_unknown_symbols_count_as_missing(seed):
    model = taught(SymbolSequenceClassifier, ["ab", "ba", "aab", "bba"], embedding=3)
    p = model.predict_proba(["axb", ["a", None, "b"], "aab"])
    np.testing.assert_allclose(p[0], p[1], rtol=1e-6)
    assert not np.allclose(p[0], p[2])
    tagger = taught(SymbolTagger, ["ab", "ba", "aab"], embedding=3)
    assert [len(part) for part in tagger.predict(["a", "abz"])] == [1, 3]


@pytest.mark.parametrize("cls", [*CLASSES, SymbolGenerator])
def test_what_is_saved_answers_the_same(cls, seed, tmp_path):
    X = ["abc", "ba", "c"] * 4 if cls is SymbolGenerator else some(seed)
    model = taught(cls, X)
    again = peira.load(model.save(tmp_path / "model"))
    if cls in (SequenceClassifier, SequenceTagger):
        assert all(np.array_equal(a, b) for a, b in zip(model.predict(X), again.predict(X), strict=True))
    elif cls is SequenceForecaster:
        np.testing.assert_array_equal(model.predict(X, 4), again.predict(X, 4))
    else:
        np.testing.assert_array_equal(model.log_prob(X), again.log_prob(X))


def test_one_step_ahead_is_the_nets_own_distribution_and_further_steps_are_the_mixtures(seed):
    X = [x[:, :1] for x in some(seed)]
    model = taught(SequenceForecaster, X, paths=2000)
    history = X[0]
    z = torch.as_tensor((history - model.mean_) / model.scale_).float()[None]
    with torch.no_grad():
        m, v, _ = model.net_(z)
    ahead = model.predict_dist([history], 2)
    np.testing.assert_allclose(ahead.mean[0, 0], model.mean_ + model.scale_ * m[0, -1].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ahead.std[0, 0], model.scale_ * v[0, -1].sqrt().numpy(), rtol=1e-5)
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    steps = m[0, -1] + v[0, -1].sqrt() * torch.as_tensor(nodes).float()[:, None]
    with torch.no_grad():
        m2, v2, _ = model.net_(torch.cat([z.expand(20, -1, -1), steps[:, None]], 1))
    p, m2, v2 = weights / weights.sum(), m2[:, -1, 0].numpy(), v2[:, -1, 0].numpy()
    mean = p @ m2
    np.testing.assert_allclose(ahead.mean[0, 1], model.mean_ + model.scale_ * mean, atol=0.03)
    spread = np.sqrt(p @ v2 + p @ (m2 - mean) ** 2)
    np.testing.assert_allclose(ahead.std[0, 1], model.scale_ * spread, rtol=0.05)
    np.testing.assert_array_equal(model.predict([history], 1), model.predict([history], 2)[:, :1])


def test_probabilities_of_written_sequences_add_up_to_one(seed):
    model = taught(SymbolGenerator, ["ab", "b", "aab", ""], cell="elman")
    texts = [""]
    for length in range(1, 9):
        texts += ["".join("ab"[i >> k & 1] for k in range(length)) for i in range(2**length)]
    logs = model.log_prob(texts)
    lengths = np.array([len(t) for t in texts])
    drawn = model.sample(4000, seed=1, length=9)
    longer = np.mean([len(d) > 8 for d in drawn])
    assert np.exp(logs).sum() == pytest.approx(1 - longer, abs=0.04)
    share = np.mean([len(d) == 0 for d in drawn])
    assert np.exp(logs[lengths == 0]).sum() == pytest.approx(share, abs=0.04)


def test_a_vector_is_unrolled_into_its_sequence(seed):
    given = np.random.default_rng(seed).normal(size=(6, 3))
    words = ["sun", "moon", "mars", "venus", "earth", "saturn"]
    brief = Training(optimiser="adam", learning_rate=0.01, updates=150, batch_size=None)
    model = SymbolGenerator(hidden=32, training=brief, random_state=0).fit(words, given=given)
    assert ["".join(w) for w in model.generate(given)] == words
    with pytest.raises(DataError, match="pass them as given"):
        model.generate()
    with pytest.raises(DataError, match="6 sequences, and 5 vectors"):
        SymbolGenerator().fit(words, given=given[:5])


def test_the_density_of_a_series_is_that_of_its_steps(seed):
    X = some(seed)
    model = taught(SequenceGenerator, X)
    courses = model.generate(length=len(X[0]))[0]
    z = (X[0] - courses) / model.noise_
    expected = (-0.5 * z**2 - np.log(model.noise_) - 0.5 * np.log(2 * np.pi)).sum()
    assert model.log_prob(X)[0] == pytest.approx(expected, rel=1e-4)
    assert model.sample(5, length=3, seed=0).shape == (5, 3, 2)


@pytest.mark.parametrize("cls", CLASSES)
def test_one_sequence_of_few_steps(cls, seed):
    X = [np.array([1.0, 2.0])]
    if cls is SequenceClassifier:
        with pytest.raises(DataError, match="2 classes"):
            cls().fit(X, ["a"])
        return
    model = cls(hidden=4, random_state=0, training=BRIEF)
    model.fit(X, [["a", "b"]]) if cls is SequenceTagger else model.fit(X)


def test_a_forecast_is_drawn(seed):
    from matplotlib.figure import Figure

    X = some(seed)
    ax = taught(SequenceForecaster, X).plot(X[0], horizon=3, column=1, ax=Figure().subplots())
    assert ax.lines
    assert ax.collections


def test_a_forecaster_needs_a_step_that_follows_another():
    with pytest.raises(DataError, match="no series has two steps"):
        SequenceForecaster().fit([[1.0], [2.0]])


@pytest.mark.parametrize("T", [1, 2, 3, 4, 5, 9, 10, 11, 57])
@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_windows_cover_every_step_and_do_not_learn_from_what_is_held_out(T, fraction):
    cut = windows(torch.tensor([3, T]), 4, fraction, torch.Generator())
    held = set(cut.held_out.tolist())
    targets = {True: [], False: []}
    for i, (first, n, skipped) in enumerate(zip(cut.firsts, cut.lengths, cut.skipped, strict=True)):
        assert 2 <= n <= 5
        assert cut.owners[i] == int(first >= 3)
        targets[i in held] += list(range(int(first + 1 + skipped), int(first + n)))
    learned, judged = set(targets[False]), set(targets[True])
    assert learned | judged == {1, 2, *range(4, 3 + T)}
    assert not learned & judged
    assert len(judged) == len(targets[True])


def test_batches_are_gathered_and_parted_by_length():
    X = Sequences(np.arange(11.0), [3, 1, 5, 2])
    batches = PaddedBatches(torch.tensor(X.lengths), [torch.tensor(X.values)])
    padded, n = batches.take(torch.tensor([3, 1]))
    assert padded.tolist() == [[9, 10], [3, 0]]
    assert n.tolist() == [2, 1]
    parts = [rows.tolist() for rows in batches.parts(torch.arange(4), (1 << 21) // 4)]
    assert parts == [[1, 3], [0], [2]]


def test_summaries_by_hand():
    h = torch.tensor([[[1.0, 5.0], [3.0, 2.0], [0.0, 0.0]], [[-1.0, 0.5], [-2.0, 4.0], [-3.0, 1.0]]])
    n = torch.tensor([2, 3])
    assert SequenceSummary("last", False)(h, n).tolist() == [[3, 2], [-3, 1]]
    assert SequenceSummary("last", True)(h, n).tolist() == [[3, 5], [-3, 0.5]]
    assert SequenceSummary("mean", False)(h, n).tolist() == [[2, 3.5], [-2, pytest.approx(5.5 / 3)]]
    assert SequenceSummary("max", False)(h, n).tolist() == [[3, 5], [-1, 4]]
