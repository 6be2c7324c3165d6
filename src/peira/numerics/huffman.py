r"""Hierarchical softmax: a class as a path through a binary tree.

At every inner node n on the way to class k the item goes left or right:

.. math:: p(k \mid h) = \prod_{n \in \mathrm{path}(k)} \sigma(s_{kn} \, (w_n^T h + b_n)), \quad s_{kn} = \pm 1

The probabilities of all classes sum to 1 whatever the weights are, and one costs as many products as its path is long
instead of K. Huffman's tree gives frequent classes short paths: the mean length lies within one of the entropy,

.. math:: H \leq \sum_k p_k \, |\mathrm{path}(k)| \leq H + 1, \quad H = - \sum_k p_k \log_2 p_k

Huffman (1952), A method for the construction of minimum-redundancy codes; Morin & Bengio (2005), Hierarchical
probabilistic neural network language model, AISTATS; Mikolov et al. (2013), Distributed representations of words and
phrases and their compositionality, equation 3.
"""

import heapq
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class HuffmanTree:
    """The paths from the root to each of K classes.

    Attributes
    ----------
    nodes : int64 tensor of shape (K, L)
        The inner nodes, 0 to K - 2, on the way to each class, from the root; 0 behind its end.
    signs : float tensor of shape (K, L)
        +1 for left, -1 for right, 0 behind the end.
    lengths : int64 tensor of shape (K,)
    """

    nodes: torch.Tensor
    signs: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def from_counts(cls, counts: np.ndarray | torch.Tensor, dtype: torch.dtype = torch.float64) -> "HuffmanTree":
        """The tree of classes that occur so often; a count of 0 is a class all the same.

        Costs K log K.

        Examples
        --------
        >>> HuffmanTree.from_counts(np.array([8, 4, 2, 2])).lengths.tolist()
        [1, 2, 3, 3]
        """
        weights = np.asarray(counts, dtype=np.float64)
        if weights.ndim != 1 or not len(weights) or not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError("a tree is made of a list of counts, 0 or more, one for each class")
        K = len(weights)
        heap = [(w, k) for k, w in enumerate(weights.tolist())]
        heapq.heapify(heap)
        parent, side = np.full(2 * K - 1, -1), np.zeros(2 * K - 1)
        for made in range(K, 2 * K - 1):
            (light, left), (heavy, right) = heapq.heappop(heap), heapq.heappop(heap)
            parent[[left, right]], side[[left, right]] = made, (1.0, -1.0)
            heapq.heappush(heap, (light + heavy, made))
        paths: list[list[tuple[int, float]]] = []
        for k in range(K):
            path, at = [], k
            while parent[at] >= 0:
                path.append((int(parent[at]) - K, float(side[at])))
                at = int(parent[at])
            paths.append(path[::-1])
        L = max(len(path) for path in paths)
        nodes, signs = torch.zeros(K, L, dtype=torch.int64), torch.zeros(K, L, dtype=dtype)
        for k, path in enumerate(paths):
            for depth, (node, sign) in enumerate(path):
                nodes[k, depth], signs[k, depth] = node, sign
        return cls(nodes, signs, torch.tensor([len(path) for path in paths]))

    def log_prob(
        self, hidden: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """The logarithm of the probability of one class for each item.

        Parameters
        ----------
        hidden : tensor of shape (N, H)
        weights : tensor of shape (K - 1, H)
        bias : tensor of shape (K - 1,)
        targets : int tensor of shape (N,)

        Returns
        -------
        tensor of shape (N,)
        """
        nodes, signs = self.nodes[targets], self.signs[targets].to(hidden.dtype)
        if not nodes.shape[1]:  # a single class
            return hidden.new_zeros(len(hidden))
        scores = torch.einsum("nh,nlh->nl", hidden, weights[nodes]) + bias[nodes]
        return torch.where(signs != 0, torch.nn.functional.logsigmoid(signs * scores), 0.0).sum(-1)

    def log_probs(self, hidden: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The logarithms of the probabilities of all classes, of shape (N, K); costs N K (H + L)."""
        if not self.nodes.shape[1]:
            return hidden.new_zeros(len(hidden), 1)
        scores = hidden @ weights.T + bias  # (N, K - 1)
        total = hidden.new_zeros(len(hidden), len(self.lengths))
        for nodes, signs in zip(self.nodes.T, self.signs.T.to(hidden.dtype), strict=True):
            total += torch.where(signs != 0, torch.nn.functional.logsigmoid(signs * scores[:, nodes]), 0.0)
        return total
