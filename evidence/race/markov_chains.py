"""Race 8.02: n-gram models of the Penn Treebank: scoring against KenLM, counting and scoring against NLTK."""

import numpy as np

from evidence import Sides, data, racing

TERMS = {"better": "lower", "limit": "splitting the lines that are scored into words", "slack": 0.01}


def lines(part):
    return [line.strip() for line in data(f"text-ptb/ptb.{part}.txt.gz").splitlines()]


def with_rare_words(train, test):
    """Lists of words in which those seen once in training, or never, are <unk>."""
    from collections import Counter

    counts = Counter(word for line in train for word in line.split())
    return [[[w if counts[w] > 1 else "<unk>" for w in line.split()] for line in part] for part in (train, test)]


@racing(
    "8.02", case="score the test text, order 5, from lines of text", peer="kenlm",
    quality="perplexity of the 82,430 words and ends of the test text",
    rule="one modified Kneser-Ney model of order 5, learned here and read by KenLM from its ARPA text; both take the "
    "lines apart at spaces, and give a score a line",
    **TERMS,
)  # fmt: skip
def scoring_against_kenlm():
    import tempfile
    from pathlib import Path

    from peira.experience.vocabulary import Vocabulary
    from peira.sequences import NGramModel, TokenisedLanguageModel

    train, test = lines("train"), lines("test")
    model = TokenisedLanguageModel(Vocabulary(unit="spaces"), NGramModel(order=5)).fit(train)
    n = sum(len(line.split()) + 1 for line in test)
    loaded = []

    def ours():
        return model.log_prob(test)

    def peer():
        import kenlm

        if not loaded:  # in the warm-up
            words = NGramModel(order=5).fit([line.split() for line in train])
            with tempfile.TemporaryDirectory() as folder:
                loaded.append(kenlm.Model(str(words.write_arpa(Path(folder) / "ptb.arpa"))))
        score = loaded[0].score
        return np.array([score(line) for line in test]) * np.log(10)

    return Sides(
        ours, peer, quality=lambda logs: float(np.exp(-logs.sum() / n)), limit=lambda: [line.split() for line in test]
    )


def nltk_model(model, train, test, order):
    """Learn all n-grams, and score every word and end of the test sentences."""
    from nltk.util import everygrams, ngrams

    def padded(words):
        return ["<s>"] * (order - 1) + words + ["</s>"]

    words = [w for line in train for w in padded(line)]
    model.fit((everygrams(padded(line), max_len=order) for line in train), words)
    return np.array([model.logscore(g[-1], g[:-1]) for line in test for g in ngrams(padded(line), order)]) * np.log(2)


def against_nltk(train, test, order, options, make):
    train, test = with_rare_words(train, test)

    def ours():
        from peira.sequences import NGramModel

        return np.concatenate(NGramModel(order=order, **options).fit(train).step_log_prob(test))

    def peer():
        return nltk_model(make(order), train, test, order)

    def limit():
        return [w for line in test for w in line]

    return Sides(ours, peer, quality=lambda logs: float(np.exp(-logs.mean())), limit=limit)


NLTK = {**TERMS, "limit": "reading the words that are scored once", "quality": "perplexity of the test words and ends"}


@racing(
    "8.02", case="count 10,000 lines and score 3,761, additive, order 3", peer="nltk",
    rule="both count all n-grams up to order 3 of the same lists of words and score each word by them, alpha = 0.01",
    **(NLTK | {"slack": 30.0}),
)  # fmt: skip
def additive_against_nltk():
    def make(order):
        from nltk.lm import Lidstone

        return Lidstone(0.01, order)

    options = {"smoothing": "additive", "alpha": 0.01, "open_vocabulary": False}
    return against_nltk(lines("train")[:10_000], lines("test"), 3, options, make)


@racing(
    "8.02", case="count 2,000 lines and score 10, Kneser-Ney, order 3", peer="nltk",
    rule="interpolated Kneser-Ney with one discount of 0.75 on both sides; few lines, since NLTK reads all n-grams "
    "again for each word that it scores",
    **(NLTK | {"slack": 30.0}),
)  # fmt: skip
def kneser_ney_against_nltk():
    def make(order):
        from nltk.lm import KneserNeyInterpolated

        return KneserNeyInterpolated(order, 0.75)

    options = {"discount": 0.75, "open_vocabulary": False}
    return against_nltk(lines("train")[:2000], lines("test")[:10], 3, options, make)
