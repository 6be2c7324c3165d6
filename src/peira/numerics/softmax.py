r"""Softmax: scores as probabilities, stably, at any temperature, and from a few classes where there are very many.

.. math:: p_k = \frac{\exp(o_k / \tau)}{\sum_j \exp(o_j / \tau)}
.. math:: \log p_k = o_k / \tau - m - \log \sum_j \exp(o_j / \tau - m)

with m the largest score over the temperature, so that nothing overflows.

The sum costs N K for N items and K classes. Where K is a vocabulary, draw M classes j from a distribution q instead,
and let each stand for the 1 / (M q) classes that were not drawn:

.. math:: \tilde o_j = o_j - \log (M q_j)
.. math:: \tilde L = - o_y + \log \left( \exp(o_y) + \sum_{j \in S} \exp(\tilde o_j) \right)

Its gradient is, on average, that of the full softmax if and only if q is the softmax over the classes other than y
(Blanc & Rendle 2018, Theorem 2.1); with any other q the bias falls like 1 / M.

Bridle (1990), Probabilistic interpretation of feedforward classification network outputs; Bengio & Senecal (2008),
Adaptive importance sampling to accelerate training of a neural probabilistic language model; Blanc & Rendle (2018),
Adaptive sampled softmax with kernel based sampling, ICML.
"""

import torch


def softmax(scores: torch.Tensor, temperature: float = 1.0, dim: int = -1) -> torch.Tensor:
    """Probabilities in the ratio of the exponentials of scores.

    Parameters
    ----------
    scores : tensor
        ``-inf`` is an impossible class.
    temperature : float, default 1
        Below 1 sharpens, above 1 flattens; 0 takes the best, shared among equals.
    dim : int, default -1

    Returns
    -------
    tensor like ``scores``

    Examples
    --------
    >>> softmax(torch.tensor([1000.0, 1000.0, 0.0])).tolist()
    [0.5, 0.5, 0.0]
    >>> softmax(torch.tensor([2.0, 1.0, 2.0]), temperature=0).tolist()
    [0.5, 0.0, 0.5]
    """
    return log_softmax(scores, temperature, dim).exp()


def log_softmax(scores: torch.Tensor, temperature: float = 1.0, dim: int = -1) -> torch.Tensor:
    """Logarithms of `softmax`, exact where the probabilities themselves would be 0."""
    if temperature < 0:
        raise ValueError(f"a temperature is 0 or more, got {temperature}")
    if temperature == 0:
        best = scores == scores.amax(dim, keepdim=True)
        return torch.where(best, -best.sum(dim, keepdim=True).to(scores.dtype).log(), -torch.inf)
    return torch.log_softmax(scores / temperature, dim)


def sampled_softmax_loss(
    hidden: torch.Tensor,
    weights: torch.Tensor,
    bias: torch.Tensor,
    targets: torch.Tensor,
    drawn: torch.Tensor,
    log_q: torch.Tensor,
) -> torch.Tensor:
    """Cross-entropy of each item from the scores of its own class and of some that were drawn.

    Costs N M H instead of N K H.

    Parameters
    ----------
    hidden : tensor of shape (N, H)
    weights : tensor of shape (K, H)
    bias : tensor of shape (K,)
    targets : int tensor of shape (N,)
    drawn : int tensor of shape (M,) or (N, M)
        Classes, drawn with replacement: one set for all items, or one for each. A draw that is the item's own class
        does not count for it.
    log_q : tensor of shape (K,)
        The logarithm of the probability with which each class is drawn.

    Returns
    -------
    tensor of shape (N,)
        In nats.
    """
    M = drawn.shape[-1]
    own = (hidden * weights[targets]).sum(-1) + bias[targets]
    if drawn.dim() == 1:
        others = hidden @ weights[drawn].T + bias[drawn]
    else:
        others = torch.einsum("nh,nmh->nm", hidden, weights[drawn]) + bias[drawn]
    others = others - log_q[drawn] - torch.log(torch.tensor(float(M), dtype=hidden.dtype, device=hidden.device))
    others = others.masked_fill(drawn == targets[:, None], -torch.inf)
    return torch.logsumexp(torch.cat([own[:, None], others], -1), -1) - own


def zipf_log_prob(K: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    r"""A distribution to draw words from that stand in the order of their frequency: log-uniform over the ranks.

    .. math:: q_k = \log \frac{k + 2}{k + 1} \Big/ \log (K + 1), \quad k = 0, \ldots, K - 1

    >>> round(float(zipf_log_prob(50).exp().sum()), 12)
    1.0
    """
    k = torch.arange(K, dtype=dtype)
    return torch.log(torch.log1p(1 / (k + 1)) / torch.log(torch.tensor(K + 1, dtype=dtype)))
