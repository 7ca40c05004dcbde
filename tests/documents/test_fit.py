"""Texts of any length go through a translator that takes little, and nothing is lost on the way."""

import random
from collections.abc import Callable, Sequence

from mt.documents.fit import FittingTranslator
from mt.documents.parts import Part, Span
from mt.translation import Translation


def quiet(count: int) -> None:
    pass


class Recorder:
    """Translates with a function of one line, counts words as tokens, and notes what it was given."""

    def __init__(self, function: Callable[[str], str] = str.upper, limit: int = 6, target: str = "en"):
        self.asked: list[str] = []
        self._function = function
        self.limit = limit
        self.fits = FittingTranslator(self._search, self.count, limit, target)

    def _search(self, lines: Sequence[str], progress: Callable[[int], None]) -> list[Translation]:
        self.asked += lines
        progress(len(lines))
        return [Translation(self._function(line), -len(line), -2.0, "cut" not in line) for line in lines]

    @staticmethod
    def count(lines: Sequence[str]) -> list[int]:
        """Half a token a character, an end token."""
        return [(len(line) + 1) // 2 + 1 for line in lines]


def test_a_line_within_the_limit_goes_through_as_it_is() -> None:
    recorder = Recorder(limit=40)
    [result] = recorder.fits.lines(["one. Two. three"], quiet)
    assert recorder.asked == ["one. Two. three"] and result.text == "ONE. TWO. THREE" and result.pieces == 1


def test_a_longer_line_is_cut_at_sentences_then_clauses_then_spaces() -> None:
    recorder = Recorder(limit=11)
    [result] = recorder.fits.lines(["One two three. Four, five, six seven eight.  nine"], quiet)
    assert set(recorder.asked) == {"One two three.", "Four, five,", "six seven eight.", "nine"}
    assert result.text == "ONE TWO THREE. FOUR, FIVE, SIX SEVEN EIGHT.  NINE" and result.pieces == 4
    assert result.score == -16 and result.log_prob == -8.0
    recorder = Recorder(limit=6)
    [result] = recorder.fits.lines(["one two three four five six"], quiet)
    assert set(recorder.asked) == {"one two", "three four", "five six"} and result.kept == 0


def test_what_cannot_be_cut_is_kept_and_told() -> None:
    recorder = Recorder(limit=8)
    address = "https://example.org/a/very/long/address"
    [result] = recorder.fits.lines([f"look at {address} now"], quiet)
    assert (result.text, result.kept) == (f"LOOK AT {address} NOW", 1)
    assert address not in recorder.asked


def test_sentences_without_a_space_between_them_get_one_in_english_and_none_in_japanese() -> None:
    for target, between in (("en", " "), ("ja", "")):
        words = {"비가 왔다.": "It rained.", "안 갔다.": "I stayed."}
        [result] = Recorder(words.__getitem__, 6, target).fits.lines(["비가 왔다.안 갔다."], quiet)
        assert result.text == f"It rained.{between}I stayed."


def test_whatever_the_limit_the_identity_returns_every_text() -> None:
    draw = random.Random(5)
    words = ["가나다.", "Dr.", "a,", "3.14", "(x", "y)", "…", "요.", "\n", "", "http://a.b/c?d=eeeeeeeeeeeeeee", "、", "?", "\u3000"]
    for limit in (1, 2, 5, 9, 30):
        texts = [" ".join(draw.choices(words, k=draw.randrange(12))) for _ in range(200)]
        recorder = Recorder(lambda line: line, limit)
        told: list[int] = []
        parts = [Part(raw=text, text=text, sentences=draw.random() < 0.5) for text in texts]
        results = recorder.fits.parts(parts, told.append)
        assert [result.text for result in results] == texts
        assert sum(told) == len(texts)
        assert all(recorder.count([line])[0] <= limit and "\n" not in line for line in recorder.asked)


def test_no_word_is_lost_when_everything_changes() -> None:
    draw = random.Random(6)
    for limit in (3, 6, 12):
        texts = [" ".join(f"w{draw.randrange(99)}{draw.choice(['', '', ',', '.', '?'])}" for _ in range(20)) for _ in range(50)]
        results = Recorder(lambda line: line.upper(), limit).fits.lines(texts, quiet)
        assert [result.text.split() for result in results] == [text.upper().split() for text in texts]


def test_a_piece_that_was_cut_off_marks_its_line() -> None:
    recorder = Recorder(limit=8)
    results = recorder.fits.lines(["all is well", "all is well. this is cut. and so on"], quiet)
    assert [result.finished for result in results] == [True, False]


def test_what_has_no_words_is_no_matter_of_the_model_in_a_document() -> None:
    recorder = Recorder()
    results = recorder.fits.parts([Part(raw="♪ 3.14 --", text="♪ 3.14 --", sentences=True)], quiet)
    assert results[0].text == "♪ 3.14 --" and recorder.asked == []


CODE = Part(raw="Use `print` now", text="Use print now", sentences=True, spans=(Span(4, 9, "`", "`", literal=True),))
LINK = Part(raw="see [the page](x) now", text="see the page now", sentences=True, spans=(Span(4, 12, "[", "](x)"),))
BOLD = Part(raw="a **big** dog", text="a big dog", sentences=True, spans=(Span(2, 5, "**", "**", optional=True),))


def test_markup_is_put_back_where_its_words_have_gone() -> None:
    words = {"Use print now": "Jetzt print benutzen", "see the page now": "jetzt Die Seite sehen", "the page": "die Seite",
             "a big dog": "ein großer Hund", "big": "großer"}  # fmt: skip
    results = Recorder(lambda line: words[line], 90).fits.parts([CODE, LINK, BOLD], quiet)
    assert [result.text for result in results] == ["Jetzt `print` benutzen", "jetzt [Die Seite](x) sehen", "ein **großer** Hund"]
    assert not any(result.markup for result in results)


def test_without_a_place_text_is_translated_around_code_and_links_and_emphasis_is_put_where_its_words_probably_are() -> None:
    words = {"Use print now": "Jetzt drucken", "see the page now": "jetzt sehen", "the page": "die Seite", "a big dog": "ein Hund",
             "big": "groß", "Use": "benutze.", "now": "jetzt.", "see": "siehe"}  # fmt: skip
    results = Recorder(lambda line: words[line], 90).fits.parts([CODE, LINK, BOLD], quiet)
    assert [result.text for result in results] == ["benutze `print` jetzt", "siehe [die Seite](x) jetzt", "**ein** Hund"]
    assert [result.markup for result in results] == ["in segments", "in segments", "markup where its words probably are"]
