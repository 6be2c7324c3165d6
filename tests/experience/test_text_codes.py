"""Codes of symbols, binding and softmax: identities, exact averages, other routes."""

import itertools

import numpy as np
import pytest
import torch

from peira.core.errors import DataError
from peira.experience.binding import (
    convolve,
    correlate,
    dual,
    expected_retrieval,
    nearest,
    tensor_product,
    unbind_product,
    unitary,
)
from peira.experience.distributed_code import DistributedCode
from peira.experience.one_hot import OneHotCode
from peira.numerics.huffman import HuffmanTree
from peira.numerics.softmax import log_softmax, sampled_softmax_loss, softmax, zipf_log_prob

KINDS = ("gaussian", "bipolar", "orthonormal", "unitary")


@pytest.mark.parametrize("code", [OneHotCode(), *(DistributedCode(64, kind=k, random_state=0) for k in KINDS)])
def test_codes_come_back(code, seed):
    sequences = ["hello world", "", "d"]
    back = code.inverse_transform(code.fit_transform(sequences))
    assert ["".join(part) for part in back] == sequences
    tensors = code.transform([torch.tensor([1, 2, 1])]) if code.symbols_.dtype.kind == "i" else None
    assert tensors is None
    with pytest.raises(DataError, match="has not seen 1 of the symbols in X: 'z'"):
        code.transform(["z"])
    assert code.fit(["ab"], symbols=["a", "b", "z"]).transform(["z"])[0].shape == (1, code.codes_.shape[1])
    with pytest.raises(DataError, match="zeros is like no symbol"):
        code.inverse_transform([np.zeros((2, code.codes_.shape[1]))])
    with pytest.raises(DataError, match="codes have"):
        code.inverse_transform([np.ones((2, 2 + code.codes_.shape[1]))])


def test_whole_numbers_as_tensors_give_tensors():
    code = OneHotCode().fit([[3, 5, 9]])
    rows = code.transform([torch.tensor([5, 9])])[0]
    assert isinstance(rows, torch.Tensor) and rows.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert code.inverse_transform([rows])[0].tolist() == [5, 9]


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_have_length_one_and_are_nearly_orthogonal(kind, seed):
    C = DistributedCode(400, kind=kind, random_state=seed).fit(["abcdefghij"]).codes_
    gram = (C @ C.T).numpy()
    spread = 1e-12 if kind == "orthonormal" else 6 / 400**0.5
    assert np.abs(gram - np.eye(10)).max() < (2 * spread if kind == "gaussian" else spread)
    if kind != "gaussian":
        assert np.allclose(np.diag(gram), 1)


def test_more_symbols_than_orthogonal_patterns_are_refused():
    with pytest.raises(DataError, match="2 orthogonal patterns, not 3"):
        DistributedCode(2, kind="orthonormal").fit(["abc"])


@pytest.mark.parametrize("D", [1, 2, 3, 8, 17])
def test_convolution_and_correlation_are_their_sums(D, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, D))
    direct = [sum(a[k] * b[(j - k) % D] for k in range(D)) for j in range(D)]
    across = [sum(a[k] * b[(j + k) % D] for k in range(D)) for j in range(D)]
    assert np.allclose(convolve(a, b), direct) and np.allclose(correlate(a, b), across)
    assert np.allclose(convolve(a, b), convolve(b, a))
    u = unitary(a)
    assert np.allclose(correlate(u, convolve(u, b)), b) and np.isclose(np.linalg.norm(u), 1)
    assert isinstance(convolve(torch.tensor(a), b), torch.Tensor)


def test_tensor_products_are_undone_by_dual_roles(seed):
    rng = np.random.default_rng(seed)
    fillers, roles = rng.normal(size=(3, 5)), rng.normal(size=(3, 4))
    scene = tensor_product(fillers, roles)
    assert np.allclose(scene, sum(np.outer(f, r) for f, r in zip(fillers, roles, strict=True)))
    for filler, key in zip(fillers, dual(roles), strict=True):
        assert np.allclose(unbind_product(scene, key), filler)
    with pytest.raises(DataError, match="not linearly independent"):
        dual(rng.normal(size=(5, 4)))


def test_traces_are_cleaned_up_as_often_as_expected(seed):
    generator = torch.Generator().manual_seed(seed)
    for k, m, D in ((3, 100, 64), (5, 50, 128)):
        memory, cues = (torch.randn(500, n, D, generator=generator).double() / D**0.5 for n in (m, k))
        got = correlate(cues[:, 0], convolve(cues, memory[:, :k]).sum(1))
        right = np.mean([int(nearest(v, M)) == 0 for v, M in zip(got, memory, strict=True)])
        assert abs(right - expected_retrieval(k, m, D)) < 0.08


def test_softmax_at_every_temperature():
    scores = torch.tensor([[1e6, 1e6 - 1, -torch.inf], [0.0, 0.0, 0.0]], dtype=torch.float64)
    for temperature in (0.0, 1e-3, 1.0, 1e3):
        p = softmax(scores, temperature)
        assert torch.allclose(p.sum(1), torch.ones(2, dtype=p.dtype)) and torch.equal(
            p, log_softmax(scores, temperature).exp()
        )
    assert softmax(scores, 0).tolist()[0] == [1, 0, 0] and torch.allclose(
        softmax(scores, 0)[1], torch.tensor(1 / 3).double()
    )
    with pytest.raises(ValueError, match="0 or more"):
        softmax(scores, -1.0)


def test_sampled_softmax_is_unbiased_for_draws_from_the_softmax(seed):
    generator = torch.Generator().manual_seed(seed)
    K, y = 4, 1
    h, W, b = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((1, 3), (K, 3), (K,)))
    W.requires_grad_()
    others = [0, 2, 3]
    full = torch.autograd.grad(torch.nn.functional.cross_entropy(h @ W.T + b, torch.tensor([y])), W)[0]
    q = torch.softmax((h @ W.T + b)[0, others], 0).detach()
    log_q = torch.full((K,), -torch.inf, dtype=torch.float64)
    log_q[others] = q.log()
    for shape in ((-1,), (1, -1)):
        total = torch.zeros_like(full)
        for places in itertools.product(range(3), repeat=2):
            drawn = torch.tensor([others[i] for i in places]).reshape(shape)
            loss = sampled_softmax_loss(h, W, b, torch.tensor([y]), drawn, log_q).sum()
            total = total + torch.prod(q[list(places)]) * torch.autograd.grad(loss, W)[0]
        assert torch.allclose(total, full, atol=1e-13)


def test_a_draw_of_the_own_class_does_not_count():
    h, W, b = torch.ones(1, 1), torch.zeros(3, 1), torch.zeros(3)
    loss = sampled_softmax_loss(h, W, b, torch.tensor([1]), torch.tensor([1, 1]), torch.zeros(3))
    assert loss.tolist() == [0.0]
    assert np.isclose(float(zipf_log_prob(1).exp().sum()), 1) and bool((zipf_log_prob(9).diff() < 0).all())


@pytest.mark.parametrize("counts", [[5], [1, 1], [8, 4, 2, 2], [0, 0, 3], list(range(20))])
def test_paths_of_the_tree(counts, seed):
    tree = HuffmanTree.from_counts(np.array(counts))
    K, lengths = len(counts), tree.lengths.numpy()
    assert np.isclose((0.5**lengths).sum(), 1), "Kraft's equality"
    p = np.array(counts) / sum(counts)
    entropy = -(p[p > 0] * np.log2(p[p > 0])).sum()
    assert K == 1 or entropy - 1e-12 <= (p * lengths).sum() <= entropy + 1
    generator = torch.Generator().manual_seed(seed)
    h, W, b = (
        torch.randn(*s, generator=generator, dtype=torch.float64)
        for s in ((4, 3), (max(K - 1, 1), 3), (max(K - 1, 1),))
    )
    whole = tree.log_probs(h, W[: K - 1], b[: K - 1])
    assert torch.allclose(whole.exp().sum(1), torch.ones(4, dtype=torch.float64))
    for k in range(K):
        one = tree.log_prob(h, W[: K - 1], b[: K - 1], torch.full((4,), k))
        assert torch.allclose(one, whole[:, k])


def test_trees_of_nothing_are_refused():
    for wrong in ([], [[1, 2]], [-1, 2], [np.nan]):
        with pytest.raises(ValueError, match="list of counts"):
            HuffmanTree.from_counts(np.array(wrong))
