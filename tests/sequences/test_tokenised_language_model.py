"""A tokeniser beside a language model: one probability, whatever the way it is asked for."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import peira
from peira.core.errors import DataError, ParameterError
from peira.experience.byte_pairs import BytePairEncoder
from peira.experience.text import Text
from peira.experience.vocabulary import Vocabulary
from peira.sequences.ngram_model import NGramModel
from peira.sequences.tokenised_language_model import TokenisedLanguageModel

TEXT = ["the cat sat on the mat", "", "the rat sat on the hat — naïve"] * 4


@pytest.mark.parametrize("encoder", [BytePairEncoder(n_merges=20), Vocabulary(unit="characters"), Vocabulary()])
def test_it_is_the_model_on_the_codes(encoder):
    model = TokenisedLanguageModel(encoder, NGramModel(3)).fit(TEXT)
    codes = type(encoder)(**encoder.get_params()).fit(TEXT).transform(TEXT)
    apart = NGramModel(3).fit(codes, symbols=list(range(len(model.encoder_.tokens_))))
    assert np.array_equal(model.log_prob(TEXT), apart.log_prob(codes))
    size = sum(map(len, TEXT))
    assert np.isclose(model.bits_per_character(Text(TEXT)), -apart.log_prob(codes).sum() / size / np.log(2))


def test_all_texts_of_bytes_are_possible_and_words_are_not():
    model = TokenisedLanguageModel(BytePairEncoder(n_merges=20)).fit(TEXT)
    assert np.isfinite(model.log_prob(["日本 \n\n never seen 🙂"])).all()
    words = TokenisedLanguageModel(Vocabulary()).fit(TEXT)
    assert words.bits_per_character(["the hat"]) > 0
    with pytest.raises(DataError, match="2 tokens of X are unknown"):
        words.bits_per_character(["the dog barks"])
    with pytest.raises(DataError, match="no character"):
        model.bits_per_character([""])
    with pytest.raises(DataError, match="pass texts"):
        model.bits_per_character([["a", "b"]])


def test_what_is_drawn_is_text(tmp_path):
    model = TokenisedLanguageModel(BytePairEncoder(n_merges=20), NGramModel(4)).fit(TEXT)
    drawn = model.sample(3, given="the cat", length=6, top_k=2, random_state=1)
    assert len(drawn) == 3 and all(isinstance(d, str) for d in drawn)
    back = peira.load(model.save(tmp_path / "model"))
    assert back.sample(3, given="the cat", length=6, top_k=2, random_state=1) == drawn
    assert np.array_equal(back.log_prob(TEXT), model.log_prob(TEXT))
    words = TokenisedLanguageModel(Vocabulary()).fit(TEXT).sample(2, random_state=0)
    assert all(set(row.tolist()) <= {"<unk>", *" ".join(TEXT).split()} for row in words)


def test_parts_must_fit_and_are_not_changed():
    encoder, method = BytePairEncoder(n_merges=3), NGramModel(2)
    TokenisedLanguageModel(encoder, method).fit(TEXT)
    assert set(vars(encoder)) == set(encoder.get_params()) and set(vars(method)) == set(method.get_params())
    with pytest.raises(ParameterError, match="language model over symbols, got BytePairEncoder"):
        TokenisedLanguageModel(encoder, encoder).fit(TEXT)
    with pytest.raises(NotFittedError):
        TokenisedLanguageModel().log_prob(TEXT)
