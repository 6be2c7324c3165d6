"""Row 7.21: byte-pair encoding of the Penn Treebank, against the tokenizers library."""

from evidence import Sides, data, racing

PTB = "text-ptb/ptb.train.txt.gz"
TERMS = {"peer": "tokenizers", "data": PTB, "quality": "characters a token", "better": "higher", "slack": 0.01}


def lines():
    return data(PTB).splitlines()


def theirs(sentences, n_merges):
    """A tokeniser of the library, learned from the same bytes and the same words."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    from peira.experience.byte_pairs import WORDS

    made = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        sentences, trainers.BpeTrainer(vocab_size=256 + n_merges, show_progress=False, initial_alphabet=alphabet)
    )
    return made


@racing(
    "7.21",
    case="byte pairs of the Penn Treebank, 5,000 merges learned",
    rule="both count all words and make 5,000 merges; ties are broken otherwise",
    **TERMS,
)
def learning():
    sentences = lines()
    size = sum(map(len, sentences))

    def ours():
        from peira.experience.byte_pairs import BytePairEncoder

        return BytePairEncoder(n_merges=5000).fit(sentences)

    def peer():
        return theirs(sentences, 5000)

    def quality(encoder):
        if hasattr(encoder, "transform"):
            return size / sum(map(len, encoder.transform(sentences)))
        return size / sum(len(encoding.ids) for encoding in encoder.encode_batch(sentences))

    return Sides(ours, peer, quality=quality)


@racing(
    "7.21",
    case="byte pairs of the Penn Treebank, 42,068 sentences encoded",
    rule="the same 5,000 merges on both sides; the codes are equal",
    **TERMS,
)
def encoding():
    from peira.experience.byte_pairs import BytePairEncoder

    sentences = lines()
    size = sum(map(len, sentences))
    encoder = BytePairEncoder(n_merges=5000).fit(sentences)
    library = encoder.to_tokenizers()

    def ours():
        return sum(map(len, encoder.transform(sentences)))

    def peer():
        return sum(len(encoding.ids) for encoding in library.encode_batch_fast(sentences))

    return Sides(ours, peer, quality=lambda total: size / total)
