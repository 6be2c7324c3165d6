r"""The push of t-SNE by a tree of cells: far items act together.

A cell that looks small from an item, its width below ``angle`` times the distance of its centre of mass, acts as one
body there:

.. math:: w_c = ( 1 + | y_i - y_c |^2 )^{-1}

.. math:: \sum_{j \in cell} w_{ij}^2 ( y_i - y_j ) \approx n \, w_c^2 ( y_i - y_c )

The items are sorted along a curve through the cells, so that a cell is a range of them, and cells stand in depth-first
order, so that a walk needs no stack: on to the next cell, or past a whole subtree.

Cost: N log N for each push; the error of the force is some hundredths for angle = 0.5, and zero for 0.

Reference: Barnes & Hut (1986), Nature 324, 446-449; van der Maaten (2014), JMLR 15, 3221-3245, eq. 8 to 10; Morton
(1966) for the curve.
"""

import numpy as np

from ..numerics.compile import compiled

LEAF = 8  # items in a cell below which it is not split
BITS = 20  # halvings of the widest side


@compiled
def _codes(Y):
    """The place of each item along a curve through the cells: the bits of its coordinates, interleaved."""
    K, N = Y.shape
    codes = np.zeros(N, dtype=np.uint64)
    low, side = np.empty(K), 0.0
    for c in range(K):
        low[c] = Y[c].min()
        side = max(side, Y[c].max() - low[c])
    scale = (2.0**BITS - 1.0) / side if side > 0.0 else 0.0
    for i in range(N):
        code = np.uint64(0)
        for bit in range(BITS - 1, -1, -1):
            for c in range(K):
                x = np.uint64((Y[c, i] - low[c]) * scale)
                code = (code << np.uint64(1)) | ((x >> np.uint64(bit)) & np.uint64(1))
        codes[i] = code
    return codes, side


@compiled
def _tree(Y, codes, side):
    """Cells in depth-first order: their range of items, width, centre of mass, and the cell after their subtree."""
    K, N = Y.shape
    most = 2 * N * (BITS + 1) // LEAF + 2 * N + 2
    first, last = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    depth, skip = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    width, centre = np.empty(most), np.empty((most, K))
    stack = np.empty((BITS * 2**K + 2, 3), dtype=np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, N, 0
    top, cells = 1, 0
    while top > 0:
        top -= 1
        lo, hi, level = stack[top, 0], stack[top, 1], stack[top, 2]
        while level < BITS and hi - lo > LEAF:  # a cell with all items in one of its parts is that part
            shift = np.uint64(K * (BITS - level - 1))
            if codes[lo] >> shift != codes[hi - 1] >> shift:
                break
            level += 1
        first[cells], last[cells], depth[cells] = lo, hi, level
        width[cells] = side / 2.0**level
        for c in range(K):
            centre[cells, c] = Y[c, lo:hi].mean()
        cells += 1
        if hi - lo > LEAF and level < BITS:
            shift = np.uint64(K * (BITS - level - 1))
            end = hi
            while end > lo:  # from the back, so that the first part comes off the stack first
                begin, part = end - 1, codes[end - 1] >> shift
                a, b = lo, end - 1
                while a < b:
                    middle = (a + b) // 2
                    if codes[middle] >> shift < part:
                        a = middle + 1
                    else:
                        b = middle
                begin = a
                stack[top, 0], stack[top, 1], stack[top, 2] = begin, end, level + 1
                top += 1
                end = begin
    # The subtree of a cell ends where a later cell's items no longer lie within its own.
    open_at = np.empty(BITS + 2, dtype=np.int64)
    n = 0
    for cell in range(cells):
        while n > 0 and last[open_at[n - 1]] <= first[cell]:
            n -= 1
            skip[open_at[n]] = cell
        open_at[n] = cell
        n += 1
    for m in range(n):
        skip[open_at[m]] = cells
    return first[:cells], last[:cells], skip[:cells], width[:cells], centre[:cells]


@compiled(fast=True)
def _push_cells(Y, first, last, skip, width, centre, angle, F):
    """The pushes on items in the order of the tree, and Z."""
    K, N = Y.shape
    Z = 0.0
    for i in range(N):
        cell = 0
        while cell < len(first):
            lo, hi = first[cell], last[cell]
            s = 0.0
            for c in range(K):
                s += (Y[c, i] - centre[cell, c]) ** 2
            if width[cell] * width[cell] < angle * angle * s and not lo <= i < hi:
                q = np.divide(1.0, 1.0 + s)
                m = hi - lo
                Z += m * q
                for c in range(K):
                    F[c, i] += m * q * q * (Y[c, i] - centre[cell, c])
                cell = skip[cell]
            elif skip[cell] == cell + 1:
                for j in range(lo, hi):
                    s = 1.0
                    for c in range(K):
                        s += (Y[c, i] - Y[c, j]) ** 2
                    q = np.divide(1.0, s)
                    Z += q
                    for c in range(K):
                        F[c, i] += q * q * (Y[c, i] - Y[c, j])
                Z -= 1.0 if lo <= i < hi else 0.0  # an item does not push itself
                cell += 1
            else:
                cell += 1
    return Z


def push_pooled(Y: np.ndarray, angle: float, F: np.ndarray) -> float:
    """Set F (K, N) to the sums of w^2 (y_i - y_j) with far cells pooled, and return Z."""
    codes, side = _codes(Y)
    order = np.argsort(codes, kind="stable")
    sorted_Y, sorted_F = np.ascontiguousarray(Y[:, order]), np.zeros_like(Y)
    Z = _push_cells(sorted_Y, *_tree(sorted_Y, codes[order], side), angle, sorted_F)
    F[:, order] = sorted_F
    return float(Z)
