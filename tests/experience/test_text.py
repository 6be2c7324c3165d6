"""Texts: what is read is what was written, whatever its lines, bytes and scripts."""

import gzip
import io
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peira.core.errors import DataError
from peira.experience.cleaning import clean
from peira.experience.text import Text, looks_like_text, read_text
from peira.experience.tokens import LONGEST, coded_words

WRITTEN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60)


def of(content, **how):
    return read_text(io.BytesIO(content), **how)


def test_lines_are_documents_where_nothing_divides_them():
    text = of(b"one\ntwo three\n")
    assert text.documents.tolist() == ["one", "two three"] and text.ids.tolist() == ["1", "2"]
    assert "the lines of the file" in text.notes[-1]


def test_paragraphs_are_documents_where_empty_lines_divide_them():
    text = of(b"\na\nb\n \n\nc\n")
    assert text.documents.tolist() == ["a\nb", "c"] and text.ids.tolist() == ["2", "6"]
    assert of(b"\na\nb\n \n\nc\n", documents="lines").documents.tolist() == ["a", "b", "c"]
    assert of(b"\na\nb\n \n\nc\n", documents="whole").documents.tolist() == ["\na\nb\n \n\nc\n"]


def test_a_stray_empty_line_among_many_makes_no_paragraphs():
    text = of(b"x\n" * 60 + b"\n" + b"x\n" * 60)
    assert len(text) == 120 and "without 1 empty" in text.notes[-1]


def test_one_line_is_one_document_and_passages_keep_all_of_it(seed):
    text = of(b"a few words " * 1000)
    assert len(text) == 1 and "the only line" in text.notes[0]
    for length in (1, 7, 100, 10**6):
        parts = text.passages(length)
        assert "".join(parts.documents) == text.documents[0]
        assert max(map(len, parts)) <= length
    assert text.passages(7).ids[1] == "1:6"
    with pytest.raises(DataError, match="length=0"):
        text.passages(0)


@given(WRITTEN, st.integers(1, 9))
def test_passages_lose_nothing(document, length):
    assert "".join(Text([document]).passages(length)) == document


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_line_ends_of_every_system(ends):
    assert of(ends.join([b"one", b"two", b""])).documents.tolist() == ["one", "two"]


def test_a_line_end_between_two_pieces_is_one(monkeypatch):
    monkeypatch.setattr("peira.experience.text_files._PIECE", 4)
    assert of(b"abc\r\ndef\r\n").documents.tolist() == ["abc", "def"]
    assert of("äöü\näöü".encode()).documents.tolist() == ["äöü", "äöü"]
    with pytest.raises(DataError, match=r"byte 9 \(0xff, line 3\)"):
        of(b"abc\nde\nfg\xff\n")


def test_invalid_utf8_names_the_byte_and_its_line():
    with pytest.raises(DataError, match=r"byte 7 \(0xff, line 2\) does not fit.*errors='replace'"):
        of(b"ok\nbad \xff here\n")
    text = of(b"ok\nbad \xff here\n", errors="replace")
    assert text.documents[1] == "bad \ufffd here" and "1 characters stand as U+FFFD" in text.notes[0]
    with pytest.raises(DataError, match="unexpected end"):
        of("é".encode()[:1])
    assert of(b"caf\xe9", encoding="latin-1").documents.tolist() == ["café"]
    with pytest.raises(DataError, match="no text encoding is called"):
        of(b"a", encoding="utf-9")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "utf-16-le"])
def test_marked_and_wide_encodings_are_found(encoding):
    text = of("Grüße an alle Welt\nund mehr".encode(encoding))
    assert text.documents.tolist() == ["Grüße an alle Welt", "und mehr"] and encoding in text.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \n\t\n", "only spaces"),
        (b"a\nb\0c", "line 2 .* NUL"),
        (b"\x89PNG\r\n", "a picture"),
        (b"PK\x03\x04", "zip archive"),
        (gzip.compress(b"abc " * 100, mtime=0)[:-4], "damaged or cut off"),
    ],
)
def test_what_is_no_text_is_refused_in_words(content, said):
    with pytest.raises(DataError, match=said):
        of(content)


def test_limits_are_watched_while_reading():
    with pytest.raises(DataError, match="more than 1,000 bytes once unpacked"):
        of(gzip.compress(b"a" * 100_000), max_bytes=1000)
    assert len(of(gzip.compress(b"a\nb"))) == 2


def test_one_line_of_many_megabytes_needs_memory_for_its_letters_only():
    size = 2_000_000
    content = b"lorem ipsum, dolor " * (size // 19)
    tracemalloc.start()
    text = of(content)
    words = text.tokens("words")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) == 1 and words.lengths.tolist() == [4 * (size // 19)]
    assert peak < 8 * size
    endless = Text("a" * 1_000_050).tokens("words")
    assert max(map(len, endless.values)) == LONGEST and "".join(endless.values) == "a" * 1_000_050
    assert "runs of more than 100 letters" in endless.notes[0]


def test_folders_files_and_what_looks_like_text(tmp_path):
    (tmp_path / "b.txt").write_text("two\nlines\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / "table.csv").write_text("x,y\n")
    text = read_text(tmp_path)
    assert text.ids.tolist() == ["b.txt", "deep/a.txt.gz"] and text.documents.tolist() == ["two\nlines\n", "packed"]
    assert looks_like_text(tmp_path) and looks_like_text(tmp_path / "b.txt") and looks_like_text(text)
    assert not looks_like_text(tmp_path / "table.csv") and not looks_like_text("-") and not looks_like_text([1])
    with pytest.raises(DataError, match="no file"):
        read_text(tmp_path / "c.txt")
    for itself in ("a text\nof two lines", "long " * 2000, "nul\0"):
        assert not looks_like_text(itself)
        with pytest.raises(DataError, match="a text itself is no path"):
            read_text(itself)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no text in the folder"):
        read_text(tmp_path / "empty")


def test_the_container_answers_len_and_index_and_never_changes():
    text = Text(["a", "", "cc"], ids=["x", "y", "z"], notes=["said"])
    assert len(text) == 3 and text[[2, 0]].documents.tolist() == ["cc", "a"] and text[-1].ids.tolist() == ["z"]
    assert text[np.array([True, False, True])].ids.tolist() == ["x", "z"] and len(text[[]]) == 0
    assert list(text) == ["a", "", "cc"] and pickle.loads(pickle.dumps(text)).documents.tolist() == ["a", "", "cc"]
    assert repr(text) == "Text(3 documents, 0 to 2 characters, 3 in all)" and repr(text[[]]) == "Text(no document)"
    for wrong in (lambda: setattr(text, "ids", 1), lambda: text.documents.__setitem__(0, "b")):
        with pytest.raises((AttributeError, ValueError)):
            wrong()
    with pytest.raises(DataError, match="3 documents and 1 names"):
        Text(["a", "b", "c"], ids=["x"])
    with pytest.raises(DataError, match="document 1 is int"):
        Text(["a", 3])
    with pytest.raises(DataError, match="NUL at character 1"):
        Text(["a\0"])
    with pytest.raises(DataError, match="surrogates at character 0"):
        Text(["\ud800"])


def test_characters_are_the_document_letter_by_letter():
    parts = Text(["aß🙂\n", "", "b"]).tokens("characters")
    assert [p.tolist() for p in parts] == [["a", "ß", "🙂", "\n"], [], ["b"]]
    assert len(Text([]).tokens("characters")) == 0 == len(Text([]).tokens("words"))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Don't stop, well-known.", ["Don't", "stop", ",", "well-known", "."]),
        ("costs 1,000.50 <unk>!", ["costs", "1,000.50", "<unk>", "!"]),
        ("naïve cafe\u0301 हिन्दी", ["naïve", "cafe\u0301", "हिन्दी"]),
        ("中文ok", ["中", "文", "ok"]),
        ("l’eau—fin", ["l’eau", "—", "fin"]),
        (" \t\n", []),
    ],
)
def test_words_in_several_scripts(written, words):
    assert Text([written]).tokens("words").values.tolist() == words


@given(WRITTEN)
def test_words_lose_nothing_but_spaces(document):
    for unit in ("words", "spaces"):
        assert "".join(Text([document]).tokens(unit).values) == "".join(document.split())
    assert "".join(
        coded_words([document], "spaced words")[0][k] for k in coded_words([document], "spaced words")[1]
    ) == (document)


@given(st.lists(st.sampled_from([" ", "  ", "\n", "a", "bc", ",", "1"]), max_size=60).map("".join), st.integers(1, 7))
def test_where_a_long_document_is_cut_makes_no_difference(document, size):
    import peira.experience.tokens as module

    whole = {unit: coded_words([document], unit) for unit in ("words", "spaces", "spaced words")}
    before, module._PIECE = module._PIECE, 7 * size + 20
    try:
        for unit, (vocabulary, codes, lengths, _) in whole.items():
            if max((len(w) for w in document.split()), default=0) < 20:
                got = coded_words([document], unit)
                assert (
                    got[0] == vocabulary and got[1].tolist() == codes.tolist() and got[2].tolist() == lengths.tolist()
                )
    finally:
        module._PIECE = before


def test_stems_need_words_and_a_stemmer_that_exists():
    text = Text(["Relational connections, the Connected"])
    assert text.tokens("words", stem="porter").values.tolist() == ["relat", "connect", ",", "the", "connect"]
    for asked, said in (
        ({"unit": "characters", "stem": "porter"}, "only words have stems"),
        ({"unit": "words", "stem": "portre"}, "no stemmer 'portre'; did you mean 'porter'"),
        ({"unit": "letters"}, "no unit 'letters'"),
        ({"unit": "words", "encoder": object()}, "an encoder knows subwords"),
    ):
        with pytest.raises(DataError, match=said):
            text.tokens(**asked)


def test_other_languages_need_the_package(monkeypatch):
    pytest.importorskip("snowballstemmer")
    assert Text(["Häuser"]).tokens("words", stem="german").values.tolist() == ["haus"]
    monkeypatch.setitem(__import__("sys").modules, "snowballstemmer", None)
    with pytest.raises(DataError, match=r"pip install 'peira\[text\]'"):
        Text(["Häuser"]).tokens("words", stem="german")


@pytest.mark.parametrize(
    ("how", "cleaned"),
    [
        ({}, " Ｃafé  <i>2024</i>\u200b &lt;"),
        ({"markup": "strip"}, " Ｃafé  2024\u200b <"),
        ({"form": "NFKC", "case": "lower"}, " café  <i>2024</i>\u200b &lt;"),
        ({"accents": "strip", "spaces": "single"}, "Ｃafe <i>2024</i>\u200b &lt;"),
        ({"digits": "zero", "controls": "strip"}, " Ｃafé  <i>0000</i> &lt;"),
    ],
)
def test_each_step_of_cleaning_does_what_it_says(how, cleaned):
    assert clean(" Ｃafé  <i>2024</i>\u200b &lt;", **how) == cleaned
    text = Text([" Ｃafé  <i>2024</i>\u200b &lt;"]).cleaned(**how)
    assert text.documents[0] == cleaned and len(text.notes) == bool(how)


@given(WRITTEN)
def test_cleaning_twice_is_cleaning_once(document):
    how = {"form": "NFKC", "accents": "strip", "case": "fold", "controls": "strip", "spaces": "single"}
    once = clean(clean(document, **how), **how)
    assert clean(once, **how) == once


def test_cleaning_names_the_nearest_choice():
    with pytest.raises(DataError, match=r"case='lwer'; did you mean 'lower'"):
        clean("a", case="lwer")
