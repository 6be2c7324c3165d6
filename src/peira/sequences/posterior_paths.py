r"""Paths of hidden states drawn from their posterior: not the best one, but what all of them are like.

.. math:: z_T \sim \alpha_T, \quad P(z_t = i \mid z_{t+1} = j, x) \propto \alpha_t(i) \, A_{ij}

Many draws show how sure a path is as a whole (how long did it stay, how often did it change), which posteriors of
single steps do not; and they are the step of a Gibbs sampler that learns the parts of the model as well.

Cost: a forward pass, then S K a draw for S steps in all.

Reference: Chib (1996), Journal of Econometrics 75, 79-97, eqs 9 and 10.
"""

from typing import Any

import numpy as np

from ..core.seeds import draw_seed
from .baum_welch import evaluate
from .hidden_markov_model import HiddenMarkovModel
from .viterbi import draw_paths


def draw_states(model: HiddenMarkovModel, X: Any, n: int = 1, random_state: Any = None) -> list[list[np.ndarray]]:
    """Draw paths of hidden states, given what they showed.

    Parameters
    ----------
    model : HiddenMarkovModel
        Fitted.
    X : sequences
        N of them.
    n : int, default 1
        Paths of each.
    random_state : int or None

    Returns
    -------
    list of n lists of N int arrays

    Examples
    --------
    >>> from peira.sequences import CategoricalHMM
    >>> coin = CategoricalHMM.from_parts([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]])
    >>> [path[0].tolist() for path in draw_states(coin, [[0, 1, 1]], 2)]
    [[0, 1, 0], [0, 1, 0]]
    """
    steps = model._asked(X)[1]
    chain, alpha = model._chain(), np.empty((len(steps.X), len(model.startprob_)))
    model._refuse_impossible(evaluate(chain, model._emissions(), steps, alpha))
    rng, ends = np.random.default_rng(draw_seed(random_state)), np.cumsum(steps.lengths)[:-1]
    found = []
    for _ in range(n):
        paths = np.empty(len(alpha), dtype=np.int64)
        draw_paths(alpha, chain.A, steps.lengths, rng.random(len(alpha)), paths)
        found.append(np.split(paths, ends))
    return found
