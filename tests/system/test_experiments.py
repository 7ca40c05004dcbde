"""The experiments of docs/experiments.md: each runs, what it changes in the model is what it says, and the pages show its numbers."""

import importlib
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from mt.data.batching import pad
from mt.data.special_ids import BOS, EOS, SPECIAL_IDS
from mt.model import attention, transformer
from mt.model.build import build_model
from mt.model.dropout import Dropout
from mt.training.loss import shift_right

pytest.importorskip("matplotlib", reason="the experiments draw with it: pip install '.[plots]'")

import common
import corpora
import distance
import feedforward
import masks
import scaling
import tables
import teacher_forcing

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/experiments.md", "docs/experiments.ko.md")
TINY = {"d_model": 16, "num_heads": 2, "d_ff": 16}


@pytest.mark.parametrize("name", tables.EXPERIMENTS)
def test_an_experiment_leaves_its_numbers_and_its_figure(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And draws the same bytes again from the numbers."""
    experiment = importlib.import_module(name)
    experiment.main(["--quick", "--steps", "2", "--seeds", "1", "--out", str(tmp_path)])
    results = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert (results["experiment"], results["steps"], results["seeds"]) == (name, 2, [1])
    drawn = (tmp_path / f"{name}.svg").read_bytes()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    printed = capsys.readouterr().out
    for table in experiment.TABLES.values():
        rows = table(results)
        assert len(rows) > 1 and all(len(row) == len(rows[0]) for row in rows)
        assert all(row[0] in printed for row in rows)
    experiment.main(["--redraw", "--out", str(tmp_path)])
    assert (tmp_path / f"{name}.svg").read_bytes() == drawn


@pytest.mark.parametrize(("arguments", "said"), [(["--steps", "0"], "above 0"), (["--redraw"], "run without --redraw first")])
def test_what_cannot_be_done_is_said_with_exit_code_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        distance.main(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_missing_matplotlib_is_told_before_training(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        distance.main(["--quick"])
    assert stopped.value.code == 2
    assert "pip install '.[plots]'" in capsys.readouterr().err


def test_random_words_are_copied_or_reversed_and_those_of_the_test_are_others() -> None:
    sources, targets = corpora.random_words("reverse", [3, 5], 4, 9, seed=1)
    assert [len(source) for source in sources] == [4] * 4 + [6] * 4
    assert all(target == [*source[-2::-1], EOS] for source, target in zip(sources, targets, strict=True))
    copied = corpora.words_corpus("copy", 8, 5, 30, [8], 5)
    assert copied.sources == copied.targets
    assert not {tuple(source) for source in copied.sources} & {tuple(source) for source in copied.train.sources}


def test_a_word_is_right_where_it_stands_at_its_targets_place() -> None:
    right = common.words_right([[5, 9], [], [4, 4, 4]], [[5, 6, EOS], [7, EOS], [4, EOS]])
    assert right == [[True, False], [False], [True]]
    assert common.share_right(right) == 50.0


def test_without_division_attention_is_the_softmax_of_the_plain_products() -> None:
    torch.manual_seed(0)
    q_BHQK, k_BHMK, v_BHMK = torch.randn(3, 2, 2, 5, 8)
    bias, dropout = torch.zeros(1, 1, 1, 5), Dropout(0.0)
    usual = attention.attend
    with scaling.no_division():
        found_BHQK = attention.attend(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
    torch.testing.assert_close(found_BHQK, torch.softmax(q_BHQK @ k_BHMK.transpose(2, 3), dim=3) @ v_BHMK)
    assert attention.attend is usual


def test_the_softmaxs_slope_is_the_size_of_its_jacobian() -> None:
    torch.manual_seed(0)
    scores_BM = torch.randn(6, 5, dtype=torch.float64)
    sizes = [torch.autograd.functional.jacobian(lambda row: torch.softmax(row, dim=0), row_M).norm() for row_M in scores_BM]
    assert scaling.softmax_slope(torch.softmax(scores_BM, dim=1)) == pytest.approx(float(torch.stack(sizes).mean()))


def test_what_is_read_off_the_encoder_is_its_scores_variance_and_largest_weight() -> None:
    torch.manual_seed(0)
    source_BS = torch.tensor([[5, 6, 7, EOS], [8, 5, 9, EOS]])
    corpus = corpora.Corpus(corpora.encoded([], []), source_BS.tolist(), source_BS.tolist(), 12)
    model = build_model(common.model_config(**TINY, encoder_layers=1), 12, 12)
    variance, largest = scaling.Watch(corpus, 1)._look(model)
    layer = model.encoder[0]
    with torch.no_grad():
        read_BSD = layer.self_attention_residual.before(model.embed(source_BS, model.source_embedding))
        q_BHSK, (k_BHSK, _) = layer.self_attention.queries(read_BSD), layer.self_attention.keys_values(read_BSD)
        scores_BHSS = q_BHSK @ k_BHSK.transpose(2, 3) / 8**0.5
    assert variance == pytest.approx(float(scores_BHSS.var(dim=3).mean()), rel=1e-4)
    assert largest == pytest.approx(float(torch.softmax(scores_BHSS, dim=3).max(dim=3).values.mean()), rel=1e-5)


def test_a_decoder_without_the_mask_sees_the_future_and_with_it_does_not() -> None:
    torch.manual_seed(0)
    model = build_model(common.model_config(**TINY), 12, 12).eval()
    source_BS, one_BT, other_BT = torch.tensor([[5, 6, EOS]]), torch.tensor([[BOS, 7, 8]]), torch.tensor([[BOS, 7, 9]])
    usual = transformer.causal_mask
    with torch.no_grad():
        hidden = [model(source_BS, input_BT)[:, :2] for input_BT in (one_BT, other_BT)]
        with masks.future_visible():
            seen = [model(source_BS, input_BT)[:, :2] for input_BT in (one_BT, other_BT)]
    torch.testing.assert_close(*hidden)
    assert float((seen[0] - seen[1]).abs().max()) > 1e-3
    assert transformer.causal_mask is usual


def test_the_mean_weight_at_an_offset_leaves_padding_out() -> None:
    weights_BTT = torch.tensor([[[0.1, 0.9, 0.0], [0.2, 0.3, 0.5], [0.0, 0.4, 0.6]]])
    rows_BT = torch.tensor([[True, True, False]])
    assert masks._mean_at(weights_BTT, rows_BT, 1) == pytest.approx(0.9)
    assert masks._mean_at(weights_BTT, rows_BT, 0) == pytest.approx(0.2)
    assert masks._mean_at(weights_BTT, rows_BT, -1) == pytest.approx(0.2)
    assert masks._mean_at(weights_BTT, rows_BT, 4) == 0.0


def test_fed_back_input_is_the_gold_target_at_probability_0_and_the_greedy_translation_at_1() -> None:
    torch.manual_seed(0)
    model = build_model(common.model_config(**TINY), 12, 12).eval()
    sources = [[5, 6, 7, EOS], [8, 5, EOS]]
    gold_BT = shift_right(torch.tensor([[5, 6, 7, 8, 9, EOS]] * 2))
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(teacher_forcing.own_input(model, pad(sources), gold_BT, 0.0, generator), gold_BT)
    own_BT = teacher_forcing.own_input(model, pad(sources), gold_BT, 1.0, generator)
    for row, found in zip(own_BT.tolist(), common.translations(model, sources), strict=True):
        assert row[1:] == found[: len(row) - 1] or found == row[1 : row.index(EOS)]
    half_BT = teacher_forcing.own_input(model, pad(sources * 50), gold_BT.repeat(50, 1), 0.5, generator)
    assert 0.3 < float((half_BT[:, 1:] == gold_BT[0, 1:]).float().mean()) < 0.8


def test_feeding_back_ends_with_its_training() -> None:
    torch.manual_seed(0)
    model = build_model(common.model_config(**TINY), 12, 12).eval()
    source_BS, gold_BT = torch.tensor([[5, 6, EOS]]), torch.tensor([[BOS, 7, 8, 9]])
    with torch.no_grad():
        forced_BTD = model.states(source_BS, gold_BT)
        with teacher_forcing.feeding_back(lambda progress: 1.0, 10, seed=1)(model):
            fed_BTD = model.states(source_BS, gold_BT)
        assert torch.equal(model.states(source_BS, gold_BT), forced_BTD)
    assert not torch.allclose(fed_BTD, forced_BTD)


def test_a_spoiled_input_has_some_other_words_and_begins_as_it_did() -> None:
    input_BT = torch.full((200, 11), 7)
    input_BT[:, 0] = BOS
    spoiled_BT = teacher_forcing.spoiler(50)(input_BT)
    assert torch.equal(spoiled_BT[:, 0], input_BT[:, 0])
    assert 0.1 < float((spoiled_BT[:, 1:] != 7).float().mean()) < 0.2
    assert int(spoiled_BT[:, 1:].min()) >= len(SPECIAL_IDS)


def test_feed_forward_blocks_of_any_ratio_make_models_of_equally_many_parameters() -> None:
    sizes = [feedforward.parameters(config, 1200) for config in feedforward.at_equal_parameters(1200).values()]
    assert max(sizes) < 1.01 * min(sizes)
    narrow, even, wide = (config.d_ff / config.d_model for config in feedforward.at_equal_parameters(1200).values())
    assert narrow < 0.3 and 0.8 < even < 1.2 and wide == 4.0


def test_a_linear_map_reads_back_what_a_vector_holds_and_guesses_what_it_does_not() -> None:
    class LastWord:
        """Hands over the one-hot last word and nothing else."""

        def eval(self) -> "LastWord":
            return self

        def encode(self, source_BS: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(source_BS[:, -2], distance.WORDS + len(SPECIAL_IDS)).float()

        def start(self, encoded: torch.Tensor, beam_size: int) -> object:
            return type("State", (), {"context_BD": encoded})

    last, before = distance.read_back(LastWord(), 2, 600)
    assert last == 100.0
    assert before < 12.0


@pytest.mark.parametrize(("language", "page"), list(zip(("en", "ko"), PAGES, strict=True)))
def test_every_table_of_the_page_is_made_of_the_committed_numbers(language: str, page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert tables.current(text, language) == text, "run scripts/experiments/tables.py"
    shown = {name for _, name, _ in tables.MARKED.findall(text)}
    assert shown == {"overview"} | {name for experiment in tables.EXPERIMENTS for name in importlib.import_module(experiment).TABLES}
    assert not re.search(r"^\|", tables.MARKED.sub("", text), flags=re.MULTILINE), "a table that no experiment made"


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_figures_are_there_and_small_and_its_commands_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    figures = re.findall(r"!\[[^\]]+\]\((figures/[a-z_]+\.svg)\)", text)
    assert {Path(figure).stem for figure in figures} == set(tables.EXPERIMENTS)
    assert all((ROOT / "docs" / figure).stat().st_size < 100_000 for figure in figures)
    assert {f"python scripts/experiments/{name}.py" for name in tables.EXPERIMENTS} <= set(re.findall(r"python scripts/\S+\.py", text))


def test_every_heading_of_a_table_has_its_korean() -> None:
    for experiment in tables.EXPERIMENTS:
        results = json.loads((ROOT / "docs" / "figures" / f"{experiment}.json").read_text(encoding="utf-8"))
        for table in importlib.import_module(experiment).TABLES.values():
            for cell in table(results)[0]:
                assert any(re.fullmatch(pattern, cell) for pattern in tables.KOREAN), cell
