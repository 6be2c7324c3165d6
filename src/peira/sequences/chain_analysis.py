r"""What a transition matrix implies: classes of states, where the chain stays, how long it takes, how fast it forgets.

P (K, K) has rows that sum to one. All in closed form, dense, K^3 steps at most.

Absorption: with Q the transitions among the transient states, R those from them into the recurrent ones,

.. math:: N = (I - Q)^{-1}, \quad t = N 1, \quad v = (2 N - I) t - t \circ t, \quad B = N R

are the visits expected, the steps until absorption and their variance, and where it ends (Kemeny & Snell 1960, theorems
3.2.4, 3.3.5 and 3.3.7). In an irreducible chain, with Z the fundamental matrix,

.. math:: Z = (I - P + 1 \pi^T)^{-1}, \quad m_{ij} = (z_{jj} - z_{ij}) / \pi_j

are the mean first passages from i to j (theorem 4.4.7; from j back to itself 1 / pi_j). Mixing:

.. math:: d(t) = \max_i \frac{1}{2} \sum_j |(P^t)_{ij} - \pi_j|, \quad t_{mix} = \min \{ t : d(t) \leq \epsilon \}

Reference: Kemeny & Snell (1960), Finite Markov Chains, chapters 3 and 4; Levin, Peres & Wilmer (2009), Markov Chains
and Mixing Times, sections 4.5 and 12.2; Grassmann, Taksar & Heyman (1985), Regenerative analysis and steady state
distributions for Markov chains.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..core.errors import DataError
from ..numerics.compile import compiled

LONGEST = 2**60  # steps beyond which a mixing time is not sought


@dataclass(frozen=True)
class StateClass:
    """States that can be reached from each other.

    Parameters
    ----------
    states : tuple of int
        Positions, in ascending order.
    recurrent : bool
        Whether the chain never leaves them; otherwise they are transient.
    period : int
        Greatest common divisor of the lengths of all ways back; 0 for a single state without a way back.
    """

    states: tuple[int, ...]
    recurrent: bool
    period: int

    @property
    def absorbing(self) -> bool:
        """A single state that is never left."""
        return self.recurrent and len(self.states) == 1


def classes(P: np.ndarray) -> list[StateClass]:
    """The communicating classes, by their first states.

    Examples
    --------
    >>> classes(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.1, 0.0, 0.9]]))  # doctest: +NORMALIZE_WHITESPACE
    [StateClass(states=(0, 1), recurrent=True, period=2),
     StateClass(states=(2,), recurrent=False, period=1)]
    """
    edges = P > 0
    count, owner = connected_components(csr_array(edges), directed=True, connection="strong")
    found = []
    for c in range(count):
        inside = owner == c
        closed = not edges[np.ix_(inside, ~inside)].any()
        period = int(_period(np.ascontiguousarray(edges[np.ix_(inside, inside)])))
        found.append(StateClass(tuple(np.flatnonzero(inside).tolist()), bool(closed), period))
    return sorted(found, key=lambda each: each.states)


@compiled
def _period(edges: np.ndarray) -> int:
    """The gcd of depth(i) + 1 - depth(j) over all edges of a strongly connected graph, by breadth-first search."""
    K = len(edges)
    depth, queue = np.full(K, -1), np.empty(K, dtype=np.int64)
    depth[0], queue[0], head, tail, divisor = 0, 0, 0, 1, 0
    while head < tail:
        i = queue[head]
        head += 1
        for j in range(K):
            if not edges[i, j]:
                continue
            if depth[j] < 0:
                depth[j] = depth[i] + 1
                queue[tail] = j
                tail += 1
            else:
                a, b = divisor, abs(depth[i] + 1 - depth[j])
                while b:
                    a, b = b, a % b
                divisor = a
    return divisor


def stationary(P: np.ndarray) -> np.ndarray:
    """The stationary distribution of each recurrent class, of shape (classes, K).

    By elimination without subtraction (Grassmann, Taksar & Heyman), accurate for each state however rare.
    """
    rows = []
    for each in classes(P):
        if each.recurrent:
            states = list(each.states)
            pi = np.zeros(len(P))
            pi[states] = _eliminate(P[np.ix_(states, states)].copy())
            rows.append(pi)
    return np.array(rows)


@compiled
def _eliminate(A: np.ndarray) -> np.ndarray:
    """Censor the last state, again and again, and build the distribution up from the first."""
    K = len(A)
    for k in range(K - 1, 0, -1):
        out = 0.0
        for j in range(k):
            out += A[k, j]
        for i in range(k):
            A[i, k] /= out
            for j in range(k):
                A[i, j] += A[i, k] * A[k, j]
    pi = np.zeros(K)
    pi[0] = 1.0
    for k in range(1, K):
        for i in range(k):
            pi[k] += pi[i] * A[i, k]
    return pi / pi.sum()


def the_stationary(P: np.ndarray, owner: str) -> np.ndarray:
    """The stationary distribution (K,), refused where it is not unique."""
    found = stationary(P)
    if len(found) != 1:
        raise DataError(
            f"this {owner} has {len(found)} classes of states that are never left, and a stationary distribution for "
            "each (stationary_distributions()); in which one it ends depends on where it begins (absorption())"
        )
    return found[0]


@dataclass(frozen=True)
class Absorption:
    """How a chain leaves its transient states for good.

    Parameters
    ----------
    transient : int array of shape (M,)
    classes : list of StateClass
        The C recurrent ones.
    visits : array of shape (M, M)
        N, how often each transient state is visited from each.
    steps, variance : arrays of shape (M,)
        Steps until a recurrent state is entered.
    probabilities : array of shape (M, C)
        In which class it ends.
    """

    transient: np.ndarray
    classes: list[StateClass]
    visits: np.ndarray
    steps: np.ndarray
    variance: np.ndarray
    probabilities: np.ndarray


def absorption(P: np.ndarray) -> Absorption:
    """The fundamental matrix of the transient states and what follows from it."""
    found = classes(P)
    closed = [each for each in found if each.recurrent]
    T = np.array(sorted(i for each in found if not each.recurrent for i in each.states), dtype=np.int64)
    Q, eye = P[np.ix_(T, T)], np.eye(len(T))
    N = np.linalg.solve(eye - Q, eye)
    t = N.sum(1)
    R = np.stack([P[T][:, each.states].sum(1) for each in closed], 1)
    return Absorption(T, closed, N, t, np.maximum((2 * N - eye) @ t - t * t, 0.0), N @ R)


def hitting(P: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each state, the probability that a set of states is ever entered, and the steps expected until then.

    Steps are infinite where it is not sure (Norris 1997, Markov Chains, theorems 1.3.2 and 1.3.5).
    """
    K = len(P)
    inside = np.zeros(K, dtype=bool)
    inside[targets] = True
    reach, distance = np.zeros(K), np.full(K, np.inf)
    reach[inside], distance[inside] = 1.0, 0.0
    can = _leads_to(P, inside)
    h, A = np.flatnonzero(can & ~inside), np.eye(K) - P
    if len(h):
        reach[h] = np.linalg.solve(A[np.ix_(h, h)], P[np.ix_(h, np.flatnonzero(inside))].sum(1)).clip(0, 1)
    lost = _leads_to(
        np.where(inside[:, None], 0.0, P), ~can
    )  # may, before it gets there, come where no way leads there
    s = np.flatnonzero(can & ~inside & ~lost)
    reach[s] = 1.0
    if len(s):
        distance[s] = np.linalg.solve(A[np.ix_(s, s)], np.ones(len(s)))
    return reach, distance


def _leads_to(P: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """From which states a set can be reached, those in it included."""
    known, edges = goal.copy(), P > 0
    while True:
        more = known | edges[:, known].any(1)
        if (more == known).all():
            return known
        known = more


def first_passages(P: np.ndarray, pi: np.ndarray) -> np.ndarray:
    """Mean steps from each state until each other (or, on the diagonal, the same again) of an irreducible chain."""
    Z = np.linalg.inv(np.eye(len(P)) - P + pi)
    M = (np.diag(Z) - Z) / pi
    M[np.diag_indices(len(P))] = 1 / pi
    return M


def second_eigenvalue(P: np.ndarray) -> float:
    """The largest modulus of the eigenvalues beside the 1 that every chain has; 0 with one state."""
    moduli = np.sort(np.abs(np.linalg.eigvals(P)))[::-1]
    return float(min(moduli[1], 1.0)) if len(moduli) > 1 else 0.0


def mixing_time(P: np.ndarray, pi: np.ndarray, epsilon: float) -> float:
    """The steps after which the chain is within ``epsilon`` of stationary from wherever it began (total variation).

    d(t) never grows, so that powers are doubled until it is small enough, and the last doubling is bisected. Infinite
    for periodic chains.
    """

    def far(Q: np.ndarray) -> bool:
        return bool(0.5 * np.abs(Q - pi).sum(1).max() > epsilon)

    if not far(np.eye(len(P))):
        return 0
    powers = [P]
    while far(powers[-1]):
        if 2 ** len(powers) > LONGEST:
            return float("inf")
        Q = powers[-1] @ powers[-1]
        powers.append(Q / Q.sum(1, keepdims=True))
    if len(powers) == 1:
        return 1
    t, Q = 2 ** (len(powers) - 2), powers[-2]
    for k in range(len(powers) - 3, -1, -1):
        step = Q @ powers[k]
        if far(step):
            t, Q = t + 2**k, step
    return t + 1


def entropy_rate(P: np.ndarray, pi: np.ndarray) -> float:
    """Nats a step of the stationary chain: the mean entropy of a row (Cover & Thomas 2006, theorem 4.2.4)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        H = -np.where(P > 0, P * np.log(P), 0.0).sum(1)
    return float(pi @ H)
