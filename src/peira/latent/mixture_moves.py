r"""Split and merge: moves that lead EM out of a bad optimum (Ueda, Nakano, Ghahramani & Hinton 2000).

In a bad optimum one component often covers two groups while two share one. Two that share a group have responsibilities
that run in parallel; one that covers two is far from the rows that it is responsible for:

.. math:: J_{merge}(i, j) = \sum_n r_{ni} r_{nj}

.. math:: J_{split}(k) = \sum_n f_{nk} \log(f_{nk} / p_k(x_n)), \quad f_{nk} = r_{nk} / \sum_m r_{mk}

A move merges i and j and splits k, all at once, so that their number stays. It is written in responsibilities, so that
it serves every mixture: those of i and j are added, those of k divided by two-means of its rows. EM then goes on from
there, and the move is kept if the likelihood came out higher. Scoring costs N K^2, a move as much as a run of EM.
"""

from collections.abc import Iterator

import torch

from .k_means import k_means
from .mixture_components import Components, Rows, share_out


def moves(rows: Rows, components: Components, most: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Responsibilities (K, N) after each of the most promising moves, the best first."""
    densities = components.log_densities(rows.points())
    R = densities + components.weights.log()[:, None]
    share_out(R, None)
    K, w = len(R), rows.all_weights
    weighted = R if w is None else R * w
    share = weighted / weighted.sum(1, keepdim=True).clamp(min=1e-300)
    J_split = torch.where(share > 0, share * (share.clamp(min=1e-300).log() - densities), 0.0).sum(1)
    J_merge = (weighted @ R.T).triu(1)
    pairs = torch.triu_indices(K, K, 1)
    ranked = pairs[:, J_merge[pairs[0], pairs[1]].argsort(descending=True, stable=True)]
    worst = J_split.argsort(descending=True, stable=True).tolist()
    # As in the paper: the pairs in order, for each the components to split in order
    triples = [(i, j, k) for i, j in ranked.T.tolist() for k in worst if k not in (i, j)]
    X = rows.filled().contiguous()
    for i, j, k in triples[:most]:
        if (weighted[k] > 0).sum() < 2:  # nothing to split
            continue
        moved = R.clone()
        halves = k_means(X, 2, w=weighted[k], generator=generator).codes
        moved[i] = R[i] + R[j]
        moved[j] = torch.where(halves == 0, R[k], 0.0)
        moved[k] = torch.where(halves == 1, R[k], 0.0)
        yield moved
