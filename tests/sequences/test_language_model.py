"""The recurrent language model: chain rule, carried state, truncation, the unknown, and drawing."""

import itertools
import math

import numpy as np
import pytest
import torch

import peira
from peira.core import observing
from peira.layers.recurrent import CELLS
from peira.sequences import LanguageModel
from peira.sequences.language_net import Carrying, LanguageNet
from peira.sequences.language_sampling import tempered
from peira.sequences.unrolled_batches import PAUSED, Unrolled, marked
from peira.training import Training, checkpointing

BRIEF = Training(optimiser="adam", learning_rate=0.02, updates=15, batch_size=4)
TEXTS = ["abba", "cab", "", "b", "acbcacb" * 3]


def model(**parameters):
    return LanguageModel(**{"hidden_size": 6, "dropout": 0.0, "training": BRIEF, "random_state": 0} | parameters)


def by_step(fitted, text):
    """log P of a sequence by one step after the other, in the precision of the net."""
    v, net, state, total = fitted._vocabulary, fitted.net_, None, 0.0
    codes = [v.symbols.tolist().index(c) for c in text]
    for before, after in itertools.pairwise([v.mark, *codes, *([v.mark] if v.ends else [])]):
        with torch.no_grad():
            h, state = net(torch.tensor([[before]]), state)
            total += float(net.scores(h)[0, 0].log_softmax(-1)[after]) + math.log1p(-v.unseen)
    return total


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_log_prob_is_that_of_a_step_by_step_unroll(cell, ends, monkeypatch):
    fitted = model(cell=cell, layers=2, ends=ends).fit(TEXTS)
    fitted.net_.double()
    expected = [by_step(fitted, text) for text in TEXTS]
    np.testing.assert_allclose(fitted.log_prob(TEXTS), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([p.sum() for p in fitted.step_log_prob(TEXTS)], expected, rtol=1e-12, atol=1e-12)
    assert [len(p) for p in fitted.step_log_prob(TEXTS)] == [len(text) + ends for text in TEXTS]
    dist = fitted.predict_dist(TEXTS).probs
    monkeypatch.setattr("peira.sequences.language_reading.SCORED", 40)  # a few steps, and one sequence, at a time
    np.testing.assert_allclose(fitted.log_prob(TEXTS), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fitted.predict_dist(TEXTS).probs, dist, rtol=1e-12, atol=1e-12)


def test_the_probabilities_of_all_sequences_sum_to_one():
    fitted = model(open_vocabulary=False).fit(["ab", "b", "aab"] * 4)
    fitted.net_.double()
    short = ["".join(s) for n in range(5) for s in itertools.product("ab", repeat=n)]
    longer = [logs[:-1].sum() for logs in fitted.step_log_prob(["".join(s) for s in itertools.product("ab", repeat=5)])]
    total = np.exp(fitted.log_prob(short)).sum() + np.exp(longer).sum()
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_what_comes_next_is_what_the_chain_rule_says():
    fitted = model().fit(TEXTS)
    dist = fitted.predict_dist(["ab", ""])
    assert dist.labels.tolist() == ["a", "b", "c", "<unk>", ""]
    for label in "abc":
        steps = fitted.step_log_prob(["ab" + label])[0]
        np.testing.assert_allclose(dist.log_prob(np.array([label, label]))[0], steps[2], rtol=1e-5)
    np.testing.assert_allclose(dist.log_prob(np.array([""] * 2))[1], fitted.log_prob([""])[0], rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_segments_with_carried_state_are_the_full_unroll(cell, seed):
    torch.manual_seed(seed)
    net = LanguageNet(6, 5, None, 3, 4, 2, cell=cell, dropout=0.0, variational=True, tied=False).double()
    x = torch.randint(6, (3, 23))
    whole, _ = net(x)
    carrying = Carrying(net, 3)
    parts = [carrying(x[:, t : t + 5], torch.tensor(float(t > 0))) for t in range(0, 23, 5)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)
    again = carrying(x[:, :5], torch.tensor(0.0))
    torch.testing.assert_close(again, whole[:, :5], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_the_gradient_of_a_segment_is_right_and_stops_at_its_beginning(cell, seed):
    torch.manual_seed(seed)
    net = LanguageNet(4, 4, None, 3, 3, 1, cell=cell, dropout=0.0, variational=True, tied=True).double()
    x, y = torch.randint(4, (2, 6)), torch.randint(4, (2, 6))
    y[1, 4:] = PAUSED
    carrying, weights = Carrying(net, 2), list(net.parameters())
    with torch.no_grad():
        carrying(torch.randint(4, (2, 9)), torch.tensor(0.0))
    begun = [b.clone() for b in carrying.buffers()]

    def loss():
        for b, was in zip(carrying.buffers(), begun, strict=True):
            b.copy_(was)
        return net.nats(carrying(x, torch.tensor(1.0)), y)

    gradient = torch.autograd.grad(loss(), weights)
    for w, g in zip(weights, gradient, strict=True):
        flat = w.data.view(-1)
        for i in range(0, len(flat), max(1, len(flat) // 5)):
            kept, values = float(flat[i]), []
            for step in (1e-6, -1e-6):
                flat[i] = kept + step
                values.append(float(loss().detach()))
            flat[i] = kept
            assert abs((values[0] - values[1]) / 2e-6 - float(g.view(-1)[i])) < 1e-7


def test_a_training_that_was_cut_off_goes_on_in_the_state_in_which_it_stood(tmp_path):
    class Cut(Exception):
        pass

    def cut(event):
        if event.kind == "step" and event.path[-1] == "update" and event.values and sum(seen) == 7:
            raise Cut
        seen.append(event.kind == "step" and event.path[-1] == "update")

    texts, how = ["abcab" * 30], {"unroll": 5, "dropout": 0.3, "layers": 2}
    whole = model(**how).fit(texts)
    seen = []
    with pytest.raises(Cut), observing(cut), checkpointing(tmp_path, every=0):
        model(**how).fit(texts)
    with checkpointing(tmp_path, every=0):
        again = model(**how).fit(texts)
    assert sum(seen) == 7 and again.history_ == whole.history_
    for a, b in zip(whole.net_.state_dict().values(), again.net_.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_it_learns_what_lies_further_back_than_it_unrolls():
    rng = np.random.default_rng(0)
    period = "".join(rng.permutation(list("aabbccdd")))
    long = Training(optimiser="adam", learning_rate=0.02, updates=250, batch_size=4, clip=1.0)
    fitted = model(hidden_size=24, unroll=2, ends=False, training=long).fit(period * 60)
    assert fitted.bits_per_symbol(period * 20) < 0.3


def test_bits_and_perplexity_are_those_of_log_prob():
    fitted = model().fit(TEXTS)
    n = sum(map(len, TEXTS)) + len(TEXTS)
    np.testing.assert_allclose(fitted.bits_per_symbol(TEXTS), -fitted.log_prob(TEXTS).sum() / n / math.log(2))
    np.testing.assert_allclose(fitted.perplexity(TEXTS), math.exp(-fitted.log_prob(TEXTS).sum() / n))
    text = model(ends=False).fit("abcabc")
    with pytest.raises(ValueError, match="empty"):
        text.bits_per_symbol([""])
    assert text.log_prob([""]).tolist() == [0.0]


def test_the_unseen_is_expected_as_often_as_what_was_seen_once():
    fitted = model().fit(["aab", "bac", "d"])  # c and d were seen once in 7 steps
    assert fitted.unseen_ == pytest.approx(2 / 8)
    dist = fitted.predict_dist(["a", "xyz"])
    np.testing.assert_allclose(dist.probs.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(dist.log_prob(np.array(["<unk>"] * 2))), 2 / 8)
    np.testing.assert_allclose(fitted.step_log_prob(["ax"])[0][1], math.log(2 / 8))
    fitted.partial_fit(["xxx", "aba"])
    assert fitted.unseen_ == pytest.approx(2 / 8) and np.isfinite(fitted.log_prob(["axa"])).all()
    fitted.partial_fit("xxxx")
    with pytest.raises(ValueError, match="'x'"):
        model(open_vocabulary=False).fit(TEXTS).log_prob(["axa"])


def test_the_rare_is_one_symbol_that_is_learned():
    words = [["the", "cat", "sat"], ["the", "dog", "sat"], ["the", "bird", "sat"]] * 2
    fitted = model(min_count=3).fit(words)
    assert fitted.symbols_.tolist() == ["sat", "the"] and fitted.unknown_ == 2 and fitted.unseen_ == 0
    assert fitted.vocabulary_.tolist() == ["sat", "the", "<unk>", ""]
    np.testing.assert_array_equal(fitted.log_prob([["the", "cat", "sat"]]), fitted.log_prob([["the", "cow", "sat"]]))
    named = model().fit([["a", "<unk>", "b"]] * 3)
    assert named.unknown_ == 0 and named.vocabulary_.tolist() == ["<unk>", "a", "b", ""]
    np.testing.assert_array_equal(named.log_prob([["a", "<unk>"]]), named.log_prob([["a", "zebra"]]))
    with pytest.raises(ValueError, match="closed vocabulary"):
        model(min_count=3, open_vocabulary=False).fit(words)
    with pytest.raises(ValueError, match="no symbol"):
        model(min_count=30).fit(words)


def test_declared_symbols_may_be_missing():
    fitted = model().fit(["aba"], symbols=list("abz"))
    with pytest.raises(ValueError, match="'y'"):
        fitted.log_prob("aby")
    assert fitted.symbols_.tolist() == ["a", "b", "z"] and np.isfinite(fitted.log_prob(["zz"])).all()
    for ends, labels in ((False, [3, 4, 5, 6]), (True, [3, 4, 5, 6, 7])):
        numbers = model(ends=ends).fit([[3, 5, 3], [5]], symbols=range(3, 7))
        assert numbers.predict_dist([[3]]).labels.tolist() == labels
    assert model().fit([[3, 5, 3], [5]]).vocabulary_.tolist() == [3, 5, 7, 6]


@pytest.mark.parametrize("ends", [True, False])
def test_draws_are_as_often_as_they_are_probable(ends, seed):
    fitted = model(ends=ends, open_vocabulary=False).fit(["ab", "ba", "b", "abc"] * 5)
    drawn = fitted.sample(4000, given="a", length=1, random_state=seed)
    dist = fitted.predict_dist(["a"])
    for label, p in zip(dist.labels, dist.probs[0], strict=True):
        share = np.mean([text == (label) for text in drawn])
        assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / 4000) + 1e-9
    if ends:
        texts = fitted.sample(3000, length=3, random_state=seed)
        p = float(np.exp(fitted.log_prob(["ab"])[0]))
        assert abs(np.mean([text == "ab" for text in texts]) - p) < 5 * math.sqrt(p * (1 - p) / 3000)


def test_drawing_can_be_repeated_sharpened_and_cut():
    fitted = model().fit(TEXTS)
    assert fitted.sample(3, random_state=1) == fitted.sample(3, random_state=1)
    greedy = fitted.sample(2, length=6, temperature=0)
    assert greedy[0] == greedy[1] and greedy == fitted.sample(2, length=6, top_k=1, random_state=3)
    assert fitted.sample(0) == [] and fitted.sample(2, length=0) == ["", ""]
    words = model().fit([["the", "cat"], ["the", "dog"]]).sample(2, given=["the"], random_state=0)
    assert all(isinstance(part, np.ndarray) for part in words)
    for wrong in ({"n": -1}, {"length": 1.5}, {"top_k": 0}, {"temperature": -1}, {"temperature": math.nan}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            fitted.sample(**{"n": 1} | wrong)


def test_temperatures_are_powers_of_probabilities(seed):
    scores = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p = scores.softmax(1) ** 2
    torch.testing.assert_close(tempered(scores, 0.5, None), p / p.sum(1, keepdim=True))
    top = tempered(scores, 1.0, 2)
    assert ((top > 0).sum(1) == 2).all()
    torch.testing.assert_close(tempered(scores, 1.0, 9), scores.softmax(1))


def test_small_texts():
    for texts in ("a", ["a"], ["aaaa"], ["", "a"], [[1, 1]], ["ab"]):
        fitted = model().fit(texts)
        assert np.isfinite(fitted.log_prob(texts)).all() and len(fitted.sample(2, length=3, random_state=0)) == 2
    for texts in ([""], []):
        with pytest.raises(ValueError):
            model().fit(texts)


def test_partial_fit_goes_on_and_is_stored(tmp_path):
    texts = ["abcabc"] * 8
    fitted = model().partial_fit(texts, symbols=list("abc"))
    first = fitted.updates_
    fitted.save(tmp_path / "model")
    back = peira.load(tmp_path / "model").partial_fit(texts)
    fitted.partial_fit(texts)
    assert fitted.updates_ == 2 * first and back.log_prob(texts).tolist() == fitted.log_prob(texts).tolist()


def test_what_carried_state_excludes_is_refused():
    for change in ({"optimiser": "lbfgs"}, {"micro_batch": 2}):
        with pytest.raises(ValueError, match="carries its state"):
            model(training=BRIEF._replace(**change)).fit(TEXTS)
    with pytest.raises(ValueError, match="embedding_size"):
        model(tied=True, embedding_size=3).fit(TEXTS)


def test_the_best_weights_by_what_was_put_aside_are_kept():
    training = BRIEF._replace(validation_fraction=0.3, updates=30, evaluate_every=5)
    fitted = model(training=training).fit(["abcab", "bca", "cab", "abc"] * 3)
    assert len(fitted.history_["validation_loss"]) and np.isfinite(fitted.log_prob(["abc"])).all()


def test_the_loss_is_the_mean_over_the_symbols():
    fitted = model(open_vocabulary=False).fit(TEXTS)
    v = fitted._vocabulary
    codes = torch.tensor([v.symbols.tolist().index(c) for c in "".join(TEXTS)])
    row, starts = marked(codes, torch.tensor([len(t) for t in TEXTS]), v.mark)
    counts = torch.tensor([len(t) + 1 for t in TEXTS])
    ((inputs, targets, _),) = Unrolled(row, starts, counts, streams=None, unroll=99, shuffle=False).epoch(0)
    expected = -fitted.log_prob(TEXTS).sum() / int(counts.sum())
    np.testing.assert_allclose(float(fitted.loss(inputs, targets).detach()), expected, rtol=1e-5)
