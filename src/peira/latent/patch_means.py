r"""Means of pixels by the likeness of the patches around them: the inner loops of non-local means.

For each shift (dy, dx) of the search window, the mean squared difference of the patches around each pixel and around
the shifted one is the box mean of one squared difference image, so that its cost is that of sums along two axes and not
of comparing patches (Darbon, Cunha, Chan, Osher & Jensen 2008, ISBI, 1331-1334). The sums are formed anew for each
row, with nothing subtracted again, so they never fall below zero.
"""

import numpy as np

from ..numerics.compile import compiled
from .vector_exp import exp_of_negative


@compiled(fast=True)
def patch_means(P, reach, search, threshold, out):
    """Denoised images of padded ones, in units of h.

    Parameters
    ----------
    P : array of shape (N, H + 2 (reach + search), W + 2 (reach + search))
        Images padded along each axis by that axis' reach + search.
    reach, search : tuples of two ints
        Pixels from the centre of a patch, and of the search window, to their ends, along each axis.
    threshold : float
        What mean squared differences are lowered by.
    out : array of shape (N, H, W)
    """
    (py, px), (sy, sx) = reach, search
    N, H, W = out.shape
    share = 1.0 / ((2 * py + 1) * (2 * px + 1))
    sums, d, e, room = np.empty(W + 2 * px), np.empty(W), np.empty(W), np.empty(W)
    total, norm = np.empty(W), np.empty(W)
    for n in range(N):
        for i in range(H):
            total[:] = 0.0
            norm[:] = 0.0
            for dy in range(-sy, sy + 1):
                for dx in range(-sx, sx + 1):
                    sums[:] = 0.0
                    for a in range(2 * py + 1):
                        here = P[n, sy + i + a, sx : sx + W + 2 * px]
                        there = P[n, sy + dy + i + a, sx + dx : sx + dx + W + 2 * px]
                        for j in range(W + 2 * px):
                            step = here[j] - there[j]
                            sums[j] += step * step
                    d[:] = 0.0
                    for b in range(2 * px + 1):
                        for j in range(W):
                            d[j] += sums[j + b]
                    for j in range(W):
                        d[j] = max(d[j] * share - threshold, 0.0)
                    exp_of_negative(d, e, room)
                    values = P[n, sy + dy + py + i, sx + dx + px : sx + dx + px + W]
                    for j in range(W):
                        total[j] += e[j] * values[j]
                        norm[j] += e[j]
            for j in range(W):
                out[n, i, j] = np.divide(total[j], norm[j])
