"""Rows 7.18 to 7.21: codes of symbols, softmax, binding, and text taken apart."""

import itertools

import numpy as np

from evidence import Grid, check, data, reproduction


@reproduction(
    "7.18",
    claim="a one-hot code comes back as it was; cross-entropy with it is the negative log-likelihood",
    source="definitions (Bishop 2006, 4.3.4)",
    protocol="1,000 sequences of 0 to 50 symbols out of 30; 500 rows of 30 random scores",
    mark="C",
)
def one_hot():
    import torch

    from peira.experience.one_hot import OneHotCode

    rng = np.random.default_rng(0)
    names = np.array([f"s{k:02d}" for k in range(30)])
    sequences = [names[rng.integers(0, 30, n)] for n in rng.integers(0, 51, 1000)]
    code = OneHotCode().fit(sequences)
    back = code.inverse_transform(code.transform(sequences))
    yield check(
        "sequences that do not come back",
        sum(a.tolist() != b.tolist() for a, b in zip(sequences, back, strict=True)),
        0,
    )
    scores = torch.from_numpy(rng.normal(0, 10, (500, 30)))
    y = rng.integers(0, 30, 500)
    X = np.concatenate(code.transform([names[y]]))
    by_code = -(torch.from_numpy(X) * torch.log_softmax(scores, 1)).sum(1)
    likelihood = torch.nn.functional.nll_loss(torch.log_softmax(scores, 1), torch.from_numpy(y), reduction="none")
    yield check("largest difference of cross-entropy and log-likelihood", float((by_code - likelihood).abs().max()), 0)


@reproduction(
    "7.19",
    claim="softmax agrees with 50 digits, at any size of the scores",
    source="definition, evaluated by mpmath with 50 digits",
    protocol="scores up to 10, 1,000 and 1e6 in size, 20 classes, temperatures 0.5, 1 and 2",
    mark="C",
)
def stable_softmax():
    import mpmath
    import torch

    from peira.numerics.softmax import log_softmax

    rng, worst = np.random.default_rng(0), 0.0
    with mpmath.workdps(50):
        for size, temperature in itertools.product((10, 1e3, 1e6), (0.5, 1.0, 2.0)):
            scores = rng.normal(0, size, 20)
            exact = [mpmath.mpf(v) / temperature for v in scores.tolist()]
            total = mpmath.log(mpmath.fsum(mpmath.exp(v) for v in exact))
            reference = np.array([float(v - total) for v in exact])
            got = log_softmax(torch.from_numpy(scores), temperature).numpy()
            worst = max(worst, float((np.abs(got - reference) / np.maximum(1, np.abs(reference))).max()))
    yield check("largest relative error of a logarithm", worst, at_most=1e-12)


@reproduction(
    "7.19",
    claim="the gradient of the sampled softmax is unbiased if and only if classes are drawn from the softmax itself",
    source="Blanc & Rendle (2018), Theorem 2.1",
    protocol="6 classes, 2 drawn: the gradient averaged over all 25 draws, weighed with their probabilities; then a "
    "uniform distribution, with 1 to 4 drawn classes",
    mark="C",
)
def sampled_softmax():
    import torch

    from peira.numerics.softmax import sampled_softmax_loss

    K, H, y = 6, 3, 2
    generator = torch.Generator().manual_seed(0)
    h, W, b = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((1, H), (K, H), (K,)))
    W = (1.5 * W).requires_grad_()
    target = torch.tensor([y])
    full = torch.autograd.grad(torch.nn.functional.cross_entropy(h @ W.T + b, target), W)[0]
    others = [k for k in range(K) if k != y]

    def average(q, M):
        log_q, total = torch.full((K,), -torch.inf, dtype=torch.float64), torch.zeros_like(full)
        log_q[others] = q.log()
        for places in itertools.product(range(K - 1), repeat=M):
            drawn = torch.tensor([others[i] for i in places])
            weight = torch.prod(q[list(places)])
            loss = sampled_softmax_loss(h, W, b, target, drawn, log_q.detach()).sum()
            total = total + weight * torch.autograd.grad(loss, W)[0]
        return total

    own = torch.softmax((h @ W.T + b)[0, others], 0).detach()
    uniform = torch.full((K - 1,), 1 / (K - 1), dtype=torch.float64)
    yield check("bias, drawn from the softmax", float((average(own, 2) - full).abs().max()), at_most=1e-12)
    bias = [float((average(uniform, M) - full).norm()) for M in (1, 2, 4)]
    yield check("bias, drawn uniformly, 1 class", bias[0], at_least=0.05)
    yield check("bias falls with the classes drawn", bool(bias[0] > bias[1] > bias[2]), True)
    yield Grid("bias of the gradient, uniform", ["bias"], ["1", "2", "4"], [bias])


@reproduction(
    "7.19",
    claim="hierarchical softmax: probabilities sum to one; the mean path lies within a bit of the entropy",
    source="Huffman (1952); Morin & Bengio (2005)",
    protocol="the words of the Penn Treebank's training part (9,998 and <unk>) and their counts; random weights",
    data="text-ptb/ptb.train.txt.gz",
    mark="C",
)
def hierarchical_softmax():
    import torch

    from peira.experience.vocabulary import Vocabulary
    from peira.numerics.huffman import HuffmanTree

    words = Vocabulary(unit="spaces").fit(data("text-ptb/ptb.train.txt.gz").splitlines())
    tree = HuffmanTree.from_counts(words.counts_)
    p = words.counts_ / words.counts_.sum()
    entropy, path = float(-(p * np.log2(p)).sum()), float((p * tree.lengths.numpy()).sum())
    yield check("words", len(words.tokens_), 9_999)
    yield check("mean path less the entropy, bits", path - entropy, at_least=0.0, at_most=1.0)
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(4, 20, generator=generator, dtype=torch.float64)
    W = torch.randn(len(words.tokens_) - 1, 20, generator=generator, dtype=torch.float64)
    b = torch.zeros(len(words.tokens_) - 1, dtype=torch.float64)
    whole = tree.log_probs(h, W, b)
    yield check("sum of all probabilities", whole.exp().sum(1).numpy(), reference=np.ones(4), tolerance=1e-12)
    targets = torch.tensor([0, 17, 4000, 9998])
    one = tree.log_prob(h, W, b, targets)
    yield check("one path against all", float((one - whole[torch.arange(4), targets]).abs().max()), at_most=1e-12)


@reproduction(
    "7.20",
    claim="tensor products with orthonormal roles are undone exactly; a sum of patterns cannot tell what is blue",
    source="Smolensky (1990), Artificial Intelligence 46, 159-216",
    protocol="a yellow circle and a blue triangle, patterns of 64 units; 20 roles in 32 dimensions, also oblique ones",
    mark="C",
)
def tensor_product_binding():
    from peira.experience.binding import dual, tensor_product, unbind_product
    from peira.experience.distributed_code import DistributedCode

    names = ["blue", "circle", "triangle", "yellow"]
    code = DistributedCode(64, kind="orthonormal", random_state=0).fit([names])
    blue, circle, triangle, yellow = code.transform([names])[0]
    first = yellow + circle + blue + triangle, blue + circle + yellow + triangle
    yield check("the two scenes differ as sums by", float(np.abs(first[0] - first[1]).max()), at_most=1e-15)
    scene = tensor_product(np.stack([circle, triangle]), np.stack([yellow, blue]))
    other = tensor_product(np.stack([circle, triangle]), np.stack([blue, yellow]))
    yield check("and as tensor products by", float(np.linalg.norm(scene - other)), 2.0, tolerance=1e-12)
    said = code.inverse_transform([unbind_product(scene, blue)[None], unbind_product(scene, yellow)[None]])
    yield check("what is blue, what is yellow", [row[0] for row in said], ["triangle", "circle"])
    rng = np.random.default_rng(0)
    roles, fillers = np.linalg.qr(rng.normal(size=(32, 20)))[0].T, rng.normal(size=(20, 50))
    whole = tensor_product(fillers, roles)
    back = np.stack([unbind_product(whole, role) for role in roles])
    yield check("largest error, orthonormal roles", float(np.abs(back - fillers).max()), at_most=1e-12)
    oblique = rng.normal(size=(20, 32))
    whole = tensor_product(fillers, oblique)
    back = np.stack([unbind_product(whole, role) for role in dual(oblique)])
    yield check("largest error, oblique roles by their duals", float(np.abs(back - fillers).max()), at_most=1e-11)


@reproduction(
    "7.20",
    claim="holographic traces are cleaned up the better the more units there are, as the spread of the products says",
    source="Plate (1995), IEEE Transactions on Neural Networks 6(3), 623-641; variances of the products of normal "
    "vectors: (6D + 4)/D^2 and (2D + 2)/D^2 for the pair itself, 1/D for each other pair",
    protocol="3 and 5 pairs, 100 and 200 known patterns, 64 to 512 units, 2,000 traces each",
    mark="C",
)
def holographic_binding():
    import torch

    from peira.experience.binding import convolve, correlate, expected_retrieval, unitary

    generator = torch.Generator().manual_seed(0)
    sizes, rows = (64, 128, 256, 512), []
    for k, m in ((3, 100), (5, 200)):
        found, expected = [], []
        for D in sizes:
            hits, right, wrong = 0, [], []
            for _ in range(40):
                memory = torch.randn(50, m, D, generator=generator, dtype=torch.float64) / D**0.5
                cues = torch.randn(50, k, D, generator=generator, dtype=torch.float64) / D**0.5
                traces = convolve(cues, memory[:, :k]).sum(1)
                products = torch.einsum("nmd,nd->nm", memory, correlate(cues[:, 0], traces))
                hits += int((products.argmax(1) == 0).sum())
                right.append(products[:, 0])
                wrong.append(products[:, k:])
            found.append(hits / 2000)
            expected.append(expected_retrieval(k, m, D))
            if D == 512:
                spread = [float(torch.cat(part).var()) * D for part in (right, wrong)]
                reference = [(6 * D + 4) / D + k - 1, (2 * D + 2) / D + k - 1]
                yield check(f"{k} pairs, 512 units: variances times units", spread, reference, relative=0.1)
        gap = float(np.abs(np.subtract(found, expected)).max())
        yield check(f"{k} pairs, {m} patterns: largest gap to the curve", gap, at_most=0.05)
        yield check(f"{k} pairs, {m} patterns: the curve rises", bool(np.all(np.diff(found) >= 0)), True)
        yield check(f"{k} pairs, {m} patterns: right with 512 units", found[-1], at_least=0.99)
        rows += [found, expected]
    names = ["3 pairs, found", "3 pairs, expected", "5 pairs, found", "5 pairs, expected"]
    yield Grid("right patterns by units", names, [str(D) for D in sizes], rows)
    cue = unitary(torch.randn(512, generator=generator, dtype=torch.float64))
    item = torch.randn(512, generator=generator, dtype=torch.float64)
    error = float((correlate(cue, convolve(cue, item)) - item).abs().max())
    yield check("largest error with a unitary cue", error, at_most=1e-12)


@reproduction(
    "7.21",
    claim="Porter's stemmer gives its author's output for every word of his vocabulary",
    source="Porter (1980); vocabulary and output at tartarus.org/martin/PorterStemmer (voc.txt, output.txt)",
    protocol="all 23,531 words",
    data=("text-porter/voc.txt.gz", "text-porter/output.txt.gz"),
    public="https://tartarus.org/martin/PorterStemmer/: voc.txt and output.txt",
    mark="M",
)
def porter_reference():
    from peira.experience.porter import porter

    words, stems = (data(f"text-porter/{name}.txt.gz").split() for name in ("voc", "output"))
    yield check("words", len(words), 23_531)
    yield check("other stems", sum(porter(w) != s for w, s in zip(words, stems, strict=True)), 0)


@reproduction(
    "7.21",
    claim="Porter's stemmer agrees with NLTK's, in the version of its author's program",
    source="NLTK, PorterStemmer(mode='MARTIN_EXTENSIONS')",
    protocol="all distinct words of the Penn Treebank (training part) in small letters",
    data="text-ptb/ptb.train.txt.gz",
    mark="V",
)
def porter_against_nltk():
    from nltk.stem.porter import PorterStemmer

    from peira.experience.porter import porter

    reference = PorterStemmer(mode="MARTIN_EXTENSIONS")
    words = sorted(set(data("text-ptb/ptb.train.txt.gz").lower().split()))
    yield check("other stems", sum(porter(w) != reference.stem(w) for w in words), 0)


@reproduction(
    "7.21",
    claim="the first byte-pair merges of low, lower, newest, widest are es, est, est</w>, lo, low; the next five are "
    "those of the paper's program",
    source="Sennrich, Haddow & Birch (2016), Algorithm 1 (Python code of the paper)",
    protocol="low 5 times, lower 2, newest 6, widest 3; 10 merges",
    mark="M",
)
def byte_pair_toy():
    import re
    from collections import Counter

    from peira.experience.byte_pairs import BytePairEncoder

    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    text = " ".join(" ".join([word] * n) for word, n in counts.items())
    pairs = BytePairEncoder(n_merges=10, alphabet="characters").fit([text])
    learned = pairs.tokens_[-10:].tolist()
    yield check("first five merges", learned[:5], ["es", "est", "est</w>", "lo", "low"])
    vocabulary, merged = {" ".join(word) + " </w>": n for word, n in counts.items()}, []
    for _ in range(10):
        seen: Counter[tuple[str, str]] = Counter()
        for word, n in vocabulary.items():
            symbols = word.split()
            for pair in itertools.pairwise(symbols):
                seen[pair] += n
        best = max(seen, key=seen.__getitem__)
        merged.append("".join(best))
        both = re.compile(rf"(?<!\S){re.escape(' '.join(best))}(?!\S)")
        vocabulary = {both.sub("".join(best), word): n for word, n in vocabulary.items()}
    yield check("all ten merges", learned, merged)
    shown = [pairs.tokens_[row].tolist() for row in pairs.transform(["lowest"])]
    yield check("an unseen word", shown, [["low", "est</w>"]])


@reproduction(
    "7.21",
    claim="byte-pair codes come back as the text, to the last byte, and are those of the tokenizers library",
    source="Hugging Face tokenizers, given the same merges",
    protocol="2,000 merges learned from the first 90 % of Tiny Shakespeare, all of it encoded, and a text of other "
    "scripts, spaces and signs",
    data="text-tinyshakespeare/tinyshakespeare.txt.gz",
    mark="V",
)
def byte_pairs_of_shakespeare():
    from peira.experience.byte_pairs import BytePairEncoder

    text = data("text-tinyshakespeare/tinyshakespeare.txt.gz")
    pairs = BytePairEncoder(n_merges=2000).fit([text[: int(0.9 * len(text))]])
    others = ["naïve  Ελληνικά, हिन्दी\t\t中文字 🙂\r\n end ", "", "\n\n  \u00a0x²½_y"]
    codes = pairs.transform([text, *others])
    yield check("texts that come back", pairs.inverse_transform(codes) == [text, *others], True)
    library = pairs.to_tokenizers()
    theirs = [encoding.ids for encoding in library.encode_batch([text, *others])]
    yield check("codes like the library's", [a.tolist() for a in codes] == theirs, True)
    yield check("characters a token", len(text) / len(codes[0]), at_least=2.5)
