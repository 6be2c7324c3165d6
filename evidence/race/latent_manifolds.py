"""Races 6.16: maps of the 1,797 digits."""

from evidence import Sides, racing

TERMS = {
    "quality": "trustworthiness with 12 neighbours",
    "better": "higher",
    "slack": 0.002,
}


def sides(ours, peer):
    """Both sides on the digits, judged by the same measure."""
    from sklearn.datasets import load_digits
    from sklearn.manifold import trustworthiness

    X, _ = load_digits(return_X_y=True)
    return Sides(lambda: ours(X), lambda: peer(X), quality=lambda Y: float(trustworthiness(X, Y, n_neighbors=12)))


def t_sne(X):
    from peira.latent.t_sne import TSNE

    return TSNE(perplexity=30, random_state=0).fit_transform(X)


@racing("6.16", case="t-SNE", peer="openTSNE", rule="1,000 steps, perplexity 30", **TERMS)
def t_sne_against_open_tsne():
    """openTSNE takes its 250 steps of exaggeration and 750 more, so the numbers of steps are equal."""

    def peer(X):
        import numpy as np
        from openTSNE import TSNE

        return np.asarray(TSNE(perplexity=30, n_iter=750, n_jobs=1, random_state=0).fit(X))

    return sides(t_sne, peer)


@racing("6.16", case="t-SNE", peer="scikit-learn", rule="1,000 steps, perplexity 30", **TERMS)
def t_sne_against_scikit_learn():
    def peer(X):
        from sklearn.manifold import TSNE

        return TSNE(perplexity=30, max_iter=1000, n_jobs=1, random_state=0).fit_transform(X)

    return sides(t_sne, peer)


@racing("6.16", case="UMAP", peer="umap-learn", rule="500 epochs, 15 neighbours, min_dist 0.1", **TERMS)
def umap_against_umap_learn():
    def ours(X):
        from peira.latent.umap import UMAP

        return UMAP(n_epochs=500, random_state=0).fit_transform(X)

    def peer(X):
        from umap import UMAP

        return UMAP(n_epochs=500, n_jobs=1, random_state=0).fit_transform(X)

    return sides(ours, peer)


@racing("6.16", case="Isomap, 10 neighbours", peer="scikit-learn", rule="all shortest paths, two coordinates", **TERMS)
def isomap_against_scikit_learn():
    def ours(X):
        from peira.latent.isomap import Isomap

        return Isomap(n_neighbors=10).fit_transform(X)

    def peer(X):
        from sklearn.manifold import Isomap

        return Isomap(n_neighbors=10).fit_transform(X)

    return sides(ours, peer)
