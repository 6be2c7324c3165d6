"""The recogniser of isolated words: Bayes' rule written out, words that only order tells apart, hard recordings."""

import numpy as np
import pytest
import torch

import peira
from peira.core import DataError, limiting
from peira.core.iteration import time_left
from peira.experience.audio import Audio
from peira.experience.sequences import Sequences
from peira.sequences import CategoricalHMM, WordRecogniser


def glides(seed, N, D=2, noise=0.1):
    """Rising, falling and level sequences of 6 to 15 steps, and their names."""
    rng = np.random.default_rng(seed)
    parts, words = [], []
    for n in range(N):
        T, word = int(rng.integers(6, 16)), ("fall", "level", "rise")[n % 3]
        line = {"rise": np.linspace(0, 1, T), "fall": np.linspace(1, 0, T), "level": np.full(T, 0.5)}[word]
        parts.append(line[:, None] * np.arange(1, D + 1) + noise * rng.normal(size=(T, D)))
        words.append(word)
    return Sequences.from_list(parts), np.array(words)


def recogniser(**settings):
    return WordRecogniser(**{"n_codes": 8, "n_components": 3, "random_state": 0} | settings)


def test_scores_are_bayes_rule_over_the_models(seed):
    X, y = glides(seed, 30)
    model = recogniser(scale=0.5).fit(X, y)
    steps = (X.values / model.scale_)[:, None] - model.codebook_
    codes = Sequences((steps**2).sum(2).argmin(1), X.lengths)
    logs = np.stack([m.log_prob(codes) for m in model.models_], 1)
    joint = 0.5 * logs + np.log([1 / 3] * 3)
    np.testing.assert_allclose(model.predict_log_proba(X), joint - np.logaddexp.reduce(joint, 1)[:, None], atol=1e-9)
    assert model.predict(X).tolist() == model.classes_[joint.argmax(1)].tolist()
    np.testing.assert_allclose(np.exp(model.class_log_prior_), 1 / 3)


@pytest.mark.parametrize("topology", ["bakis", "linear", "left-right", "ergodic"])
def test_words_that_only_their_order_tells_apart(seed, topology):
    X, y = glides(seed, 60)
    unseen, words = glides(seed + 1, 60)
    model = recogniser(topology=topology).fit(X, y)
    assert model.score(unseen, words) > 0.9
    turned = Sequences.from_list([part[::-1] for part in unseen])
    swapped = np.array([{"rise": "fall", "fall": "rise"}.get(w, w) for w in words])
    assert model.score(turned, swapped) > 0.8


def test_states_are_passed_from_left_to_right(seed):
    X, y = glides(seed, 30)
    paths = recogniser().fit(X, y).align(X)
    assert [len(path) for path in paths] == X.lengths.tolist()
    assert all((np.diff(path) >= 0).all() and (np.diff(path) <= 2).all() and path[0] == 0 for path in paths)


def test_evidence_that_is_counted_four_times_is_scaled_down(seed):
    """Each step stands four times in a row, as neighbouring frames of speech nearly do."""

    def slow(seed, N):
        X, y = glides(seed, N, noise=0.6)
        return Sequences.from_list([np.repeat(part, 4, axis=0) for part in X]), y

    X, y = slow(seed, 150)
    auto, plain = recogniser().fit(X, y), recogniser(scale=1.0).fit(X, y)
    assert auto.likelihood_scale_ < 0.6 and plain.likelihood_scale_ == 1.0

    def log_loss(model):
        unseen, words = slow(seed + 1000, 300)
        return -model.predict_log_proba(unseen)[np.arange(300), np.searchsorted(model.classes_, words)].mean()

    assert log_loss(auto) < log_loss(plain)
    few = recogniser().fit(X[:3], y[:3])
    assert few.likelihood_scale_ == 1.0, "one recording a word leaves none to judge by"


def test_weights_are_repetitions(seed):
    X, y = glides(seed, 12)
    counts = np.random.default_rng(seed).integers(1, 3, 12)
    weighted = recogniser(scale=1.0, n_codes=4).fit(X, y, sample_weight=counts.astype(float))
    rows = np.repeat(np.arange(12), counts)
    np.testing.assert_allclose(np.exp(weighted.class_log_prior_), np.unique(y[rows], return_counts=True)[1] / len(rows))
    assert weighted.predict_proba(X).shape == (12, 3)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_short_recordings_have_answers(seed, T):
    X, y = glides(seed, 30)
    model = recogniser().fit(X, y)
    short = [part[:T] for part in X]
    P = model.predict_proba(short)
    assert P.shape == (30, 3) and np.isfinite(P).all()
    tiny = recogniser().fit([[[0.0]], [[1.0]]], ["a", "b"])
    assert tiny.predict([[[0.1]], [[0.9]]]).tolist() == ["a", "b"] and len(tiny.codebook_) == 2


def test_a_constant_column_and_equal_steps_do_no_harm():
    X = [np.full((5, 2), 3.0), np.full((4, 2), 3.0)]
    model = recogniser().fit(X, [0, 1])
    assert len(model.codebook_) == 1 and model.scale_.tolist() == [1.0, 1.0]
    np.testing.assert_allclose(model.predict_proba(X), 0.5, atol=1e-6)


def test_what_cannot_be_learned_from_is_said(seed):
    X, y = glides(seed, 6)
    with pytest.raises(DataError, match="at least 2 classes"):
        recogniser().fit(X, ["one"] * 6)
    with pytest.raises(DataError, match="NaN at step 1 of sequence 0"):
        recogniser().fit([[0.0, np.nan], [1.0]], [0, 1])
    with pytest.raises(DataError, match="every recording of 'fall' has weight zero"):
        recogniser().fit(X, y, sample_weight=(y != "fall").astype(float))
    model = recogniser().fit(X, y)
    with pytest.raises(ValueError, match="features"):
        model.predict([np.zeros((3, 5))])


def test_a_budget_of_time_is_shared_among_the_words(seed, monkeypatch):
    """Three words: models of both halves find the scale; those that are kept count as two."""
    X, y = glides(seed, 12)
    shares, learn = [], CategoricalHMM.fit

    def fit(self, *data, **weights):
        shares.append(time_left())
        return learn(self, *data, **weights)

    monkeypatch.setattr(CategoricalHMM, "fit", fit)
    with limiting(1e6):
        recogniser().fit(X, y)
    np.testing.assert_allclose(shares, 1e6 / np.array([12, 11, 10, 9, 8, 7, 3, 2, 1]), rtol=1e-3)
    with limiting(0.0):
        model = recogniser().fit(X, y)
    assert model.stopped_ == "out of time" and [m.n_iter_ for m in model.models_] == [1, 1, 1]
    assert np.isfinite(model.predict_proba(X)).all()


def test_it_comes_back_from_a_folder(tmp_path, seed):
    X, y = glides(seed, 30)
    model = recogniser().fit(X, y)
    again = peira.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    tensors = [torch.from_numpy(np.array(part)) for part in X]
    assert model.predict(tensors).tolist() == model.predict(X).tolist()


def test_from_sound_to_words(seed):
    """Tones that rise and tones that fall, heard through mel cepstra."""
    rng = np.random.default_rng(seed)
    waves, words = [], []
    for n in range(40):
        T = int(rng.integers(2400, 4000))
        pitch = np.linspace(300, 1500, T) if n % 2 else np.linspace(1500, 300, T)
        waves.append(np.sin(2 * np.pi * np.cumsum(pitch) / 8000) * rng.uniform(0.1, 0.9) + 0.01 * rng.normal(size=T))
        words.append("up" if n % 2 else "down")
    heard = Audio.from_list(waves, 8000).features("mfcc", deltas=0)
    words = np.array(words)
    model = WordRecogniser(n_codes=16, n_components=4, random_state=0).fit(heard[:20], words[:20])
    assert model.score(heard[20:], words[20:]) > 0.9
