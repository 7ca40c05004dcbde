"""A look at one sentence (look.py) as a figure for a lecture or a paper: one attention as a heat map, drawn by matplotlib (extra `plots`).

matplotlib's own font has no Hangul, and draws a box for what it lacks. So the fonts are chosen here, by the glyphs they hold, among the
files installed now: matplotlib's list of fonts is made once and knows nothing of those installed later.
"""

import io
import unicodedata
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from mt.errors import MtError
from mt.inspection.look import AttentionMap, Look
from mt.install_hint import install_command
from mt.text_table import display_width
from mt.visible import visible

DPI = 200
"""Dots per inch of the written figure."""
_KINDS = {"cross": "Cross-attention", "encoder": "Encoder self-attention", "decoder": "Decoder self-attention"}
_PREFERRED = ("notosanscjk", "notosanskr", "nanumgothic", "applesdgothicneo", "applegothic", "malgun", "notosans")
"""File names, without punctuation, of fonts that look well; all others come after these."""
_USELESS = ("lastresort", "emoji", "blank")
"""Fonts that claim glyphs they only have as boxes, nothing, or bitmaps."""


def require_matplotlib() -> None:
    """MtError when the extra `plots` is not installed."""
    if find_spec("matplotlib") is None:
        raise MtError(f"--png: drawing needs matplotlib, which is not installed; run: {install_command('plots')}")


def attention_png(look: Look, kind: str, layer: int | None, head: int | None) -> bytes:
    """One attention as a PNG. layer, head: from 1; None: the last layer, the mean over the heads with each head beside it.

    DataError when there is no such attention, MtError when a character has no font.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = look.map_of(kind, layer)
    askers, asked = (tuple(map(visible, pieces)) for pieces in look.pieces_of(kind))
    # Pieces are text, never formulas, though a dollar sign may be among them.
    with rc_context({"font.family": fonts_for("".join((*askers, *asked))), "text.parse_math": False, "axes.unicode_minus": False}):
        figure = Figure(layout="constrained", facecolor="white")
        _draw(figure, chosen, askers, asked, head)
        stream = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(stream, dpi=DPI, format="png", bbox_inches="tight", pad_inches=0.15)
    return stream.getvalue()


def _draw(figure, chosen: AttentionMap, askers: Sequence[str], asked: Sequence[str], head: int | None) -> None:
    """The large heat map with its labels; the heads beside it when their mean is drawn."""
    heads = len(chosen.weights)
    small = heads if head is None and heads > 1 else 0
    rows = 1 if not small else 2 if small <= 8 else 4
    columns = -(-small // rows)
    cell = min(0.36, 8.0 / max(len(askers), len(asked)))  # inches; long sentences are drawn smaller
    size = max(5.0, min(11.0, 30 * cell))
    width, height = max(cell * len(asked), 2.2), max(cell * len(askers), 1.6)
    margins = [max(map(display_width, texts)) * size / 72 * 0.62 for texts in (askers, asked)]
    figure.set_size_inches(width * (1 + columns / rows) + margins[0] + 1.6 + 0.15 * columns, height + margins[1] + 1.4 + 0.25 * (rows - 1))
    grid = figure.add_gridspec(rows, 1 + columns, width_ratios=[rows, *[1] * columns])
    which = f"mean of {heads} heads" if head is None and heads > 1 else f"head {head or 1} of {heads}"
    figure.suptitle(f"{_KINDS[chosen.kind]}, layer {chosen.layer}, {which}", fontsize=13, fontweight="bold", fontfamily="DejaVu Sans")
    main = figure.add_subplot(grid[:, 0])
    weights = chosen.mean() if head is None else chosen.weights[head - 1]
    image = _heat_map(main, weights)
    main.set_xticks(range(len(asked)), asked, rotation=50, ha="left", rotation_mode="anchor", fontsize=size)
    main.set_yticks(range(len(askers)), askers, fontsize=size)
    main.xaxis.tick_top()
    main.xaxis.set_label_position("top")
    main.set_xlabel("is looked at", fontsize=10, color="0.35")
    main.set_ylabel("asks" if chosen.kind == "encoder" else "asks: reads → writes", fontsize=10, color="0.35")
    if cell > 0.3:
        _write_shares(main, weights)
    for number in range(small):
        part = figure.add_subplot(grid[number // columns, 1 + number % columns])
        _heat_map(part, chosen.weights[number])
        part.set_xticks([])
        part.set_yticks([])
        part.set_title(f"head {number + 1}", fontsize=10, color="0.35")
    bar = figure.colorbar(image, ax=figure.axes, fraction=0.03, pad=0.02, aspect=24, ticks=(0, 0.5, 1))
    bar.ax.set_yticklabels(("0%", "50%", "100%"))
    bar.ax.tick_params(labelsize=9, length=0)
    bar.outline.set_visible(False)


def _heat_map(axes, weights: Sequence[Sequence[float]]):
    """The weights as shades of blue from 0 to 1, with white lines between the cells."""
    image = axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    axes.set_xticks([column - 0.5 for column in range(1, len(weights[0]))], minor=True)
    axes.set_yticks([row - 0.5 for row in range(1, len(weights))], minor=True)
    axes.grid(which="minor", color="white", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_color("0.8")
    return image


def _write_shares(axes, weights: Sequence[Sequence[float]]) -> None:
    """The larger shares in their cells, in percent."""
    for row, shares in enumerate(weights):
        for column, share in enumerate(shares):
            if share >= 0.1:
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color="white" if share > 0.55 else "0.2")


def fonts_for(text: str) -> list[str]:
    """The font families to draw this text with, in the order in which matplotlib asks them for a glyph.

    matplotlib's own DejaVu Sans alone if it has every character; else before it the first installed fonts that have the others. MtError
    that names the characters without a font, and what to install.
    """
    from matplotlib import font_manager

    own = font_manager.findfont("DejaVu Sans", fallback_to_default=True)
    missing = {character for character in text if not character.isspace()} - _glyphs(own)
    families = []
    for path in _ordered(_font_files()) if missing else ():
        held = missing & _glyphs(path)
        if held:
            font_manager.fontManager.addfont(path)
            families.append(font_manager.get_font(path).family_name)
            missing -= held
        if not missing:
            break
    if missing:
        raise MtError(_no_font(missing))
    return [*families, "DejaVu Sans"]


def _font_files() -> list[str]:
    """The font files installed on this machine, now."""
    from matplotlib.font_manager import findSystemFonts

    return findSystemFonts()


def _ordered(paths: Iterable[str]) -> list[str]:
    """Preferred fonts first, regular ones before bold ones, useless ones left out."""
    def order(path: str) -> tuple[int, bool, str]:
        name = _plain_name(path)
        rank = next((rank for rank, start in enumerate(_PREFERRED) if name.startswith(start)), len(_PREFERRED))
        return rank, any(style in name for style in ("bold", "black", "italic", "oblique", "light", "thin", "medium", "mono")), path

    return sorted((path for path in paths if not any(word in _plain_name(path) for word in _USELESS)), key=order)


def _plain_name(path: str) -> str:
    """A font file's name in small letters, without punctuation."""
    return "".join(character for character in Path(path).stem.lower() if character.isalnum())


def _glyphs(path: str) -> set[str]:
    """The characters a font file has glyphs for; none when it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return {chr(code) for code in FT2Font(path).get_charmap()}
    except (OSError, RuntimeError):
        return set()


def _no_font(missing: set[str]) -> str:
    """Which characters have no font, and where to get one."""
    ordered = sorted(missing)
    named = ", ".join(f"{character} (U+{ord(character):04X})" for character in ordered[:5])
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    message = f"--png: no installed font has {named}{more}"
    if any(unicodedata.name(character, "").startswith(("HANGUL", "CJK", "HIRAGANA", "KATAKANA")) for character in ordered):
        return (
            f"{message}; install one: 'apt install fonts-noto-cjk' or 'fonts-nanum' (Debian, Ubuntu), 'dnf install "
            "google-noto-sans-cjk-fonts' (Fedora). macOS and Windows bring one. --html needs none"
        )
    return f"{message}; install one that has (Noto fonts cover most scripts: 'apt install fonts-noto'), or use --html, which needs none"
