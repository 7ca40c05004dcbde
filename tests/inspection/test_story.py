"""The story of a training's attention: read back, put into words by rules, shown as tables and as a page."""

import json
import re
from pathlib import Path

import pytest

from mt.errors import RunError
from mt.inspection.reading import main_change, read
from mt.inspection.story import Place, Story, Validated, read_story
from mt.inspection.story_figure import story_png
from mt.inspection.story_page import story_page
from mt.inspection.story_text import curve, story_text
from mt.runs import RunDirectory
from tests.command_line import run_mt

STEPS = (0, 1, 10, 100, 400, 900)
NAME = "decoder.2.cross_attention"


def projection(at: int, cosine: float, gradient: float) -> dict:
    figures = {"norm": [1.0 + at, 1.0], "cosine": [cosine, cosine], "effective_rank": [4.0, 3.0]}
    return figures | ({"gradient_norm": [gradient, gradient], "update_ratio": [0.01 / max(at, 1), 0.01]} if at else {})


def note(at: int, share: float) -> dict:
    return {
        NAME: {
            **{letter: projection(at, 1.0 - 0.1 * at * (letter == "v"), 5.0 if letter in "vo" else 1.0) for letter in "qkvo"},
            "score_spectrum": [[3.0, 1.0], [2.0, 0.5]], "score_effective_rank": [8.0 - at, 8.0 - at],
            "entropy": [2.0, 2.0], "entropy_share": [share, 0.95], "largest_weight": [0.2, 0.9],
            "distance": [0.5, 3.0], "score_variance": [16.0, 16.0], "scaled_score_variance": [4.0, 4.0],
        }
    }  # fmt: skip


@pytest.fixture
def story() -> Story:
    shares = (1.0, 1.0, 0.98, 0.95, 0.9, 0.1)
    validations = (Validated(200, 2.0, 4.0), Validated(400, 4.0, 3.0), Validated(800, 19.0, 2.0), Validated(1000, 21.0, 1.9))
    return Story("made-up", STEPS, tuple(note(at, share) for at, share in enumerate(shares)), validations, 1.5, 150.0)


def test_the_main_change_is_the_shortest_stretch_with_most_of_the_fall() -> None:
    change = main_change(STEPS, [1.0, 1.0, 0.98, 0.95, 0.9, 0.1])
    assert (change.first, change.last, change.start, change.end) == (400, 900, 0.9, 0.1)
    rise = main_change(STEPS, [None, 0.0, 0.0, 5.0, 5.0, 5.1])
    assert (rise.first, rise.last) == (10, 100)
    assert main_change(STEPS, [0.5] * 6) is None


def test_the_reading_says_when_attention_sharpened_and_what_bleu_did_meanwhile(story: Story) -> None:
    [sentence] = [sentence for sentence in read(story) if "sharpened" in sentence]
    assert sentence == (
        "Cross-attention in layer 3 sharpened between steps 400 and 900: its entropy went from 92% to 52% of an even look's, "
        "while valid BLEU rose from 4.0 (step 400) to 21.0 (step 1000)."
    )


def test_the_reading_names_gradients_turning_growth_scores_ranks_updates_and_heads(story: Story) -> None:
    text = "\n".join(read(story))
    assert "The first gradient (step 1) is larger for W_V and W_O than for W_Q and W_K: 5.0 times in cross-attention." in text
    assert "W_V 0.50" in text and "W_V turned furthest" in text
    assert "In cross-attention the norms at the end are so many times the initial ones: W_Q 3.5" in text
    assert "16 at first and 16 at the end in cross-attention (4 and 4)" in text
    assert "fell from an effective rank of 8 to 3" in text
    assert "at most 1.00% of their norm (noted at step 1), by 0.60% at step 900" in text
    assert "head 1 looks sharply close to the diagonal" in text
    assert "head 2 looks everywhere almost evenly, and passes on an average" in text


def test_what_hardly_changed_is_one_sentence_for_a_kind() -> None:
    notes = tuple({f"encoder.{layer}.self_attention": note(1, 0.9)[NAME] for layer in (0, 1)} for _ in STEPS)
    [sentence] = [sentence for sentence in read(Story("x", STEPS, notes, (), 1.0, None)) if "hardly sharpened" in sentence]
    assert sentence == (
        "Encoder self-attention hardly sharpened (entropy as a share of an even look's: from 92% to 92% in layer 1, "
        "from 92% to 92% in layer 2)."
    )


def test_places_come_in_the_order_of_the_model() -> None:
    names = ["decoder.0.cross_attention", "encoder.1.self_attention", "decoder.0.self_attention", "encoder.0.self_attention"]
    found = Story("x", (0,), ({name: note(0, 1.0)[NAME] for name in names},), (), 0.0, None).places
    assert [place.name for place in found] == [names[3], names[1], names[2], names[0]]
    assert Place.of("attention").kind == "cross"


def test_a_curve_runs_from_low_to_high_and_is_a_line_when_nothing_changes() -> None:
    assert curve([0.0, 0.5, 1.0]) == "▁▅█"
    assert curve([None, 10.0, 10.05]) == " ──"


def test_the_terminal_shows_the_reading_and_both_tables(story: Story) -> None:
    text = story_text(story)
    assert text.startswith("made-up: 6 notes from step 0 to step 900, which took 1.5 s together, 1.0% of the training's time")
    assert "cross-attention  3" in text
    assert len(re.findall(r"^cross-attention +W_[QKVO] ", text, re.M)) == 4


def test_the_page_holds_all_notes_and_loads_nothing(story: Story) -> None:
    html = story_page(story)
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|fetch\(|https?://(?!www\.w3\.org/2000/svg)", html)
    [data] = re.findall(r'<script type="application/json" id="story">(.*?)</script>', html, re.S)
    held = json.loads(data)
    assert held["steps"] == list(STEPS)
    assert held["notes"][3][NAME] == story.notes[3][NAME]
    assert "sharpened between steps 400 and 900" in html


def test_a_run_without_notes_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"noted nothing of its attention \(there is no projections.jsonl\).*training.record"):
        read_story(RunDirectory(tmp_path))


def test_a_model_without_attention_has_no_story(tmp_path: Path) -> None:
    (tmp_path / "projections.jsonl").write_text('{"step": 0, "seconds": 0.1, "attention": {}}\n')
    with pytest.raises(RunError, match="no attention to follow.*rnn-attention, transformer"):
        read_story(RunDirectory(tmp_path))


def test_a_damaged_line_is_named_and_a_last_one_cut_short_left_out(tmp_path: Path) -> None:
    line = json.dumps({"step": 0, "seconds": 0.1, "attention": note(0, 1.0)})
    (tmp_path / "projections.jsonl").write_text(f"{line}\n{line[:50]}")
    assert read_story(RunDirectory(tmp_path)).steps == (0,)
    (tmp_path / "projections.jsonl").write_text(f"{line[:50]}\n{line}\n")
    with pytest.raises(RunError, match="line 1: this is not JSON"):
        read_story(RunDirectory(tmp_path))


def test_the_command_tells_a_real_run_and_writes_its_page(trained_run: Path, tmp_path: Path) -> None:
    result = run_mt("inspect", "projections", str(trained_run), "--html", str(tmp_path / "story.html"))
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "cross-attention" in result.stdout + result.stderr
    assert "copy" in (tmp_path / "story.html").read_text(encoding="utf-8")


def test_the_figure_is_a_png_for_every_kind_of_story(story: Story) -> None:
    pytest.importorskip("matplotlib", reason="figures are drawn with it: the `plots` extra is not installed")
    additive = tuple({"attention": {key: values for key, values in found[NAME].items() if key not in [*"qkvo", "scaled_score_variance"]}}
                     for found in story.notes)  # fmt: skip
    for told in (story, Story("x", STEPS, additive, (), 1.0, None)):
        assert story_png(told).startswith(b"\x89PNG")
