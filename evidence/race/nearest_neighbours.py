"""Race 2.09: the five nearest of 60,000 digits, for 10,000 more."""

import numpy as np

from evidence import Sides, racing

CHECKED = 1000  # test rows whose labels are held against whole-number arithmetic
TERMS = {
    "quality": "share of 1,000 labels that equal those of distances in whole-number arithmetic",
    "better": "higher",
    "rule": "fit and predict; both search exhaustively",
    "limit": "the matrix product of all pairs in single precision",
}


def sides(peer, train=60_000, test=10_000):
    """Pixels as single-precision numbers for both."""
    from evidence.reproduce.nearest_neighbours import exact_neighbours, mnist

    X, y, Q, _ = mnist()
    X, y, Q = X[:train], y[:train], Q[:test]
    votes = y[exact_neighbours(X, Q[:CHECKED], 5)]
    truth = np.apply_along_axis(lambda row: np.bincount(row).argmax(), 1, votes)
    X, Q = X.astype(np.float32), Q.astype(np.float32)

    def ours():
        from peira.linear.nearest_neighbours import KNeighborsClassifier

        return KNeighborsClassifier(5, algorithm="brute").fit(X, y).predict(Q)

    def limit():
        for i in range(0, len(Q), 500):
            Q[i : i + 500] @ X.T

    return Sides(
        ours,
        lambda: peer(X, y, Q),
        quality=lambda labels: float((labels[:CHECKED] == truth).mean()),
        limit=limit,
    )


@racing("2.09", case="MNIST, 60,000 rows and 10,000 queries, k = 5", peer="scikit-learn", **TERMS)
def against_scikit_learn():
    def peer(X, y, Q):
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(5, algorithm="brute").fit(X, y).predict(Q)

    return sides(peer)


@racing("2.09", case="MNIST, 60,000 rows and 10,000 queries, k = 5, flat index", peer="faiss", **TERMS)
def against_faiss():
    def peer(X, y, Q):
        import faiss

        index = faiss.IndexFlatL2(X.shape[1])
        index.add(X)
        _, near = index.search(Q, 5)
        return np.apply_along_axis(lambda v: np.bincount(v).argmax(), 1, y[near])

    return sides(peer)


@racing(
    "2.09",
    case="100,000 rows and 10,000 queries of 4 columns, k = 5",
    peer="scikit-learn",
    quality="share of labels that are those of the function that made them",
    better="higher",
    rule="fit and predict; both choose how to search",
)
def few_columns():
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(100_000, 4)), rng.normal(size=(10_000, 4))
    y = (np.sin(3 * X[:, 0]) + X[:, 1] > 0).astype(int)

    def labels(estimator):
        return estimator(5).fit(X, y).predict(Q)

    def ours():
        from peira.linear.nearest_neighbours import KNeighborsClassifier

        return labels(KNeighborsClassifier)

    def peer():
        from sklearn.neighbors import KNeighborsClassifier

        return labels(KNeighborsClassifier)

    truth = (np.sin(3 * Q[:, 0]) + Q[:, 1] > 0).astype(int)
    return Sides(ours, peer, quality=lambda said: float((said == truth).mean()))
