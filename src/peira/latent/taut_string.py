r"""Taut strings: total-variation denoising of a signal, exactly, in linear time.

.. math:: \min_u \; \frac{1}{2} \sum_i (u_i - y_i)^2 + \lambda \sum_i |u_{i+1} - u_i|

Let :math:`r_k = y_1 + ... + y_k`. A string from (0, 0) to (D, r_D) that is pulled tight inside of the tube
:math:`r_k \pm \lambda` has the solution u as its slopes (Davies & Kovac 2001, Annals of Statistics 29, 1-65, section 2;
Mammen & van de Geer 1997). The shortest path in a tube is found from left to right: from the last point that is
certain, the apex, two chains lead on, the tight string to the newest point of the upper rim and that to the lower rim.
A new point shortens the ends of its chain; when the chains cross, the other one's first piece has become certain, and
the apex moves along it. Each point enters and leaves a chain at most once: cost D.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled
def taut_string(y, lam, u, r, upper, lower):
    """Put the solution for y (D,) into u (D,); r (D + 1,), upper and lower (D + 1,) are room to work in.

    ``upper`` and ``lower`` hold indices of the chains' points after the apex, between two ends each.
    """
    D = y.size
    mean = y.mean()
    r[0] = 0.0
    for k in range(D):
        r[k + 1] = r[k] + (y[k] - mean)
    apex, height = 0, 0.0
    us = ue = ls = le = 0  # where the chains start and end
    for k in range(1, D + 1):
        rim = lam if k < D else 0.0
        # The upper chain turns upwards at each of its points: those above the line past them to the new one go.
        top = r[k] + rim
        while ue > us:
            last = upper[ue - 1]
            before, low = (upper[ue - 2], r[upper[ue - 2]] + lam) if ue - us > 1 else (apex, height)
            if (r[last] + lam - low) * (k - last) < (top - r[last] - lam) * (last - before):
                break
            ue -= 1
        upper[ue] = k
        ue += 1
        while ue - us == 1 and le > ls:
            first = lower[ls]
            step = r[first] - lam - height
            if step * (k - apex) <= (top - height) * (first - apex):
                break
            for i in range(apex, first):
                u[i] = mean + step / (first - apex)
            apex, height = first, r[first] - lam
            ls += 1
        bottom = r[k] - rim
        while le > ls:
            last = lower[le - 1]
            before, high = (lower[le - 2], r[lower[le - 2]] - lam) if le - ls > 1 else (apex, height)
            if (r[last] - lam - high) * (k - last) > (bottom - r[last] + lam) * (last - before):
                break
            le -= 1
        lower[le] = k
        le += 1
        while le - ls == 1 and ue > us and upper[us] < k:
            first = upper[us]
            step = r[first] + lam - height
            if step * (k - apex) >= (bottom - height) * (first - apex):
                break
            for i in range(apex, first):
                u[i] = mean + step / (first - apex)
            apex, height = first, r[first] + lam
            us += 1
    while ls < le:  # both chains end at the same point; the lower one leads there
        first = lower[ls]
        step = (r[first] - lam if first < D else r[first]) - height
        for i in range(apex, first):
            u[i] = mean + step / (first - apex)
        apex, height = first, height + step
        ls += 1


@compiled
def taut_strings(Y, lam, U):
    """The same for each row of Y (N, D) with its own weight lam (N,), into U."""
    N, D = Y.shape
    r, upper, lower = np.empty(D + 1), np.empty(D + 1, np.int64), np.empty(D + 1, np.int64)
    for n in range(N):
        taut_string(Y[n], lam[n], U[n], r, upper, lower)


@compiled
def weights_for_noise(Y, variance, lam):
    """Into lam (N,) the weight by which each row of Y (N, D) loses so much variance; infinity where it has no more.

    What is lost rises with the weight, from nothing to the row's own variance when the string is straight: bisection.
    """
    N, D = Y.shape
    r, upper, lower = np.empty(D + 1), np.empty(D + 1, np.int64), np.empty(D + 1, np.int64)
    u = np.empty(D)
    for n in range(N):
        y = Y[n]
        mean = y.mean()
        largest = total = 0.0
        for k in range(D):
            total += y[k] - mean
            largest = max(largest, abs(total))
        if ((y - mean) ** 2).mean() <= variance[n]:
            lam[n] = np.inf
            continue
        low, high = 0.0, largest
        for _ in range(60):
            middle = (low + high) / 2
            taut_string(y, middle, u, r, upper, lower)
            if ((u - y) ** 2).mean() < variance[n]:
                low = middle
            else:
                high = middle
            if high - low <= 1e-12 * high:
                break
        lam[n] = (low + high) / 2
