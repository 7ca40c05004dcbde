"""`mt inspect attention --png`: the right weights and labels, in a font that has the characters, or a message that says what lacks."""

import importlib.util
import io
from pathlib import Path

import pytest
from matplotlib import font_manager, image
from matplotlib.figure import Figure

from mt.errors import DataError, MtError
from mt.inspection import figure
from mt.inspection.look import AttentionMap, Look, Step
from tests.command_line import run_mt


def made_look(heads: int = 2, source: tuple[str, ...] = ("a", "$b$", "</s>")) -> Look:
    """Two steps over three source pieces; each head looks at one piece alone."""
    steps = tuple(Step(piece, 0.5, ((piece, 0.5),)) for piece in ("x", "</s>"))
    weights = tuple(tuple(tuple(float(column == (head + row) % 3) for column in range(3)) for row in range(2)) for head in range(heads))
    return Look("a b", "x", False, source, ("<s>", "x"), steps, (AttentionMap("cross", 1, weights),))


def drawn(monkeypatch: pytest.MonkeyPatch, look: Look, head: int | None) -> Figure:
    """The figure as matplotlib holds it, once it is written."""
    kept = []
    draw = figure._draw
    monkeypatch.setattr(figure, "_draw", lambda made, *arguments: kept.append(made) or draw(made, *arguments))
    assert figure.attention_png(look, "cross", None, head).startswith(b"\x89PNG")
    return kept[0]


@pytest.mark.parametrize("heads", [1, 2, 8, 16])
def test_the_mean_is_drawn_with_every_head_beside_it(heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    look = made_look(heads)
    maps = [axes.images[0].get_array().tolist() for axes in drawn(monkeypatch, look, None).axes if axes.images]
    expected = [look.maps[0].mean(), *(look.maps[0].weights if heads > 1 else ())]
    assert len(maps) == len(expected)
    for found, weights in zip(maps, expected, strict=True):
        assert found == [pytest.approx(list(row)) for row in weights]


def test_one_head_is_drawn_alone_with_its_pieces_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    look = made_look()
    made = drawn(monkeypatch, look, 2)
    [axes] = [axes for axes in made.axes if axes.images]
    assert axes.images[0].get_array().tolist() == [list(row) for row in look.maps[0].weights[1]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "$b$", "</s>"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["<s> → x", "x → </s>"]
    assert made.get_suptitle() == "Cross-attention, layer 1, head 2 of 2"
    assert axes.images[0].get_clim() == (0.0, 1.0)


def test_latin_text_needs_no_installed_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "_font_files", lambda: pytest.fail("no look at the installed fonts"))
    assert figure.fonts_for("▁abc → é") == ["DejaVu Sans"]


def test_a_font_that_has_the_characters_is_found_and_useless_ones_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """DejaVu Sans Mono plays the font with Hangul; it need not be installed, since matplotlib brings it."""
    own = font_manager.findfont("DejaVu Sans")
    mono = font_manager.findfont("DejaVu Sans Mono")
    held = {own: set("ab"), mono: set("ab한글"), "/fonts/LastResortHE-Regular.ttf": set("ab한글"), "/fonts/x-Emoji.ttf": set("ab한글")}
    monkeypatch.setattr(figure, "_font_files", lambda: list(held))
    monkeypatch.setattr(figure, "_glyphs", held.__getitem__)
    assert figure.fonts_for("a한 글b") == ["DejaVu Sans Mono", "DejaVu Sans"]


def test_preferred_and_regular_fonts_come_first() -> None:
    paths = ["/f/Aaa.ttf", "/f/NanumGothicBold.ttf", "/f/NanumGothic.ttf", "/f/NotoSansCJK-Bold.ttc", "/f/NotoSansCJK-Regular.ttc"]
    names = [Path(path).stem for path in figure._ordered(paths)]
    assert names == ["NotoSansCJK-Regular", "NotoSansCJK-Bold", "NanumGothic", "NanumGothicBold", "Aaa"]


def test_without_a_font_the_message_names_characters_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "_font_files", list)
    with pytest.raises(MtError, match=r"no installed font has 글 \(U\+AE00\), 한 \(U\+D55C\); .*fonts-noto-cjk.*fonts-nanum.*Fedora"):
        figure.attention_png(made_look(source=("한글", "b", "</s>")), "cross", None, None)
    with pytest.raises(MtError, match=r"no installed font has .* and 2 more; install one that has"):
        figure.fonts_for("\U00013000\U00013001\U00013002\U00013003\U00013004\U00013005\U00013006")


def test_a_file_that_is_no_font_has_no_glyphs(tmp_path: Path) -> None:
    (tmp_path / "a.ttf").write_bytes(b"not a font")
    assert figure._glyphs(str(tmp_path / "a.ttf")) == set()


def test_the_command_writes_a_picture(trained_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "attention.png"
    done = run_mt("inspect", "attention", "ba de bo mu", "--model", str(trained_run), "--png", str(file))
    assert done.exit_code == 0, done.stderr
    pixels = image.imread(io.BytesIO(file.read_bytes()), format="png")
    assert pixels.shape[0] > 300 and pixels.shape[1] > 600 and pixels.std() > 0.01
    done = run_mt("inspect", "attention", "ba", "--model", str(trained_run), "--png", str(tmp_path))
    assert done.exit_code == 2 and "it is a folder" in done.stderr


def test_without_matplotlib_the_command_says_what_to_install(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(figure, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    done = run_mt("inspect", "attention", "ba", "--model", str(trained_run), "--png", str(tmp_path / "a.png"))
    assert done.exit_code == 2 and "pip install matplotlib" in done.stderr


def test_an_attention_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="it has cross"):
        figure.attention_png(made_look(), "encoder", None, None)
