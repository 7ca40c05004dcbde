"""Exports translate as the model does, and what does not is refused."""

import itertools
import json
import random
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import sentencepiece
import torch

import mt
from mt import Translator
from mt.config import DecodingConfig, ModelConfig, TokenizerConfig
from mt.config_file import replace_fields
from mt.data.special_ids import EOS
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.scoring import score_ids
from mt.errors import ExportError
from mt.export import ctranslate2, marian, onnx
from mt.export.check import ExportCheck, check
from mt.export.decoding import LOST, TAKEN, WITHOUT_EFFECT, carry
from mt.export.export import PROGRAMS, pairs_to_check
from mt.export.nfc import with_nfc
from mt.model.build import build_model
from mt.stored_model import load_model
from tests.command_line import run_mt

COMBINATIONS = [
    *itertools.product(("sinusoidal", "learned", "rotary", "none"), ("relu", "gelu", "swiglu"), ("layernorm", "rmsnorm"), ("post", "pre")),
]


@pytest.fixture(scope="module")
def tokenizer(trained_run: Path) -> Tokenizer:
    return Tokenizer.load(trained_run)


def random_model(config: ModelConfig, tokenizer: Tokenizer) -> torch.nn.Module:
    """A model whose biases and norms, too, are not what they begin with."""
    model = build_model(config, len(tokenizer.source), len(tokenizer.target)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.mark.parametrize("combination", COMBINATIONS[::3] + COMBINATIONS[1:8:3], ids="-".join)
def test_ctranslate2_scores_and_translates_as_mt(combination: tuple[str, ...], tokenizer: Tokenizer, tmp_path: Path) -> None:
    positions, activation, norm, norm_position = combination
    torch.manual_seed(5)
    config = ModelConfig(
        d_model=32, num_heads=4, d_ff=24, encoder_layers=2, decoder_layers=2, positions=positions, activation=activation, norm=norm,
        norm_position=norm_position, tie_embeddings="none" if norm == "rmsnorm" else "all", max_positions=60,
    )  # fmt: skip
    model = random_model(config, tokenizer)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    (tmp_path / "int8").mkdir()
    ctranslate2.write(model, tokenizer, tmp_path / "int8", "int8")
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items()), "quantising left the model as it was"
    ctranslate2.write(model, tokenizer, tmp_path, None)
    exported = ctranslate2.Exported(tmp_path, tokenizer, 1)
    sources = tokenizer.encode_source(["ba be bi bo", "da", "ma ka di di mu do bi ki ke", "me du mi"])
    targets = tokenizer.encode_target(["ba be", "da da da", "mu", "me du mi ba"])
    expected = score_ids(model, sources, targets, 1.0)
    for ours, theirs in zip(expected, exported.score(sources, targets), strict=True):
        assert theirs == pytest.approx(ours.token_log_probs, abs=2e-4)
    greedy = DecodingConfig(method="greedy", beam_size=1, max_length_ratio=0.0, max_length_extra=12)
    ours = [best.tokens for best, *_ in translate_ids(model, sources, greedy)]
    assert exported.translate(sources, greedy, 12) == ours


def test_the_command_writes_a_checked_folder_that_other_programs_read(trained_run: Path) -> None:
    import ctranslate2 as engine

    outcome = run_mt("export", str(trained_run), "--output", "out", "--lines", "40")
    assert outcome.exit_code == 0, outcome.stderr
    assert "checked on 40 pairs" in outcome.stdout and "40 of 40" in outcome.stdout
    manifest = json.loads(Path("out/mt-export.json").read_text(encoding="utf-8"))
    assert manifest["to"] == "ctranslate2" and manifest["check"]["greedy_equal"] == 40
    processor = Tokenizer.load(Path("out")).source.processor
    [result] = engine.Translator("out").translate_batch([processor.encode("ba be bi", out_type=str)])
    assert processor.decode(result.hypotheses[0]) == "ba be bi"
    again = run_mt("export", str(trained_run), "--output", "out", "--quantization", "int8", "--lines", "20")
    assert again.exit_code == 0, again.stderr
    quantised = json.loads(Path("out/mt-export.json").read_text(encoding="utf-8"))
    assert quantised["quantization"] == "int8" and quantised["check"]["bleu"] > 90 and quantised["check"]["greedy_equal"] > 15
    assert [path.name for path in Path().iterdir() if "part" in path.name] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "tensorflow"], "--to: 'tensorflow' is none of ctranslate2"),
        (["--quantization", "int3"], "--quantization: 'int3' is none of int8"),
        (["--output", "."], "there is something else already"),
        (["--output", "taken"], "there is something else already"),
    ],
)
def test_impossible_exports_are_refused_before_any_work(trained_run: Path, options: list[str], message: str) -> None:
    Path("taken").mkdir()
    outcome = run_mt("export", str(trained_run), *options)
    assert outcome.exit_code == 2 and message in outcome.stderr


def test_an_export_that_translates_otherwise_is_not_kept(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = ctranslate2.write

    def write_another(model: torch.nn.Module, *rest: object, **more: object) -> None:
        """The model with one weight changed."""
        other = load_model(trained_run).model
        with torch.no_grad():
            other.decoder[0].cross_attention.out_proj.weight.mul_(0.5)
        write(other, *rest, **more)

    monkeypatch.setattr(ctranslate2, "write", write_another)
    outcome = run_mt("export", str(trained_run), "--output", "out", "--lines", "20")
    assert outcome.exit_code == 2 and "was not kept: a token's log-probability differs by" in outcome.stderr
    assert list(Path().glob("out*")) == [] and list(Path().glob(".out*")) == []


def test_recurrent_models_and_a_missing_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "this run has rnn" in ctranslate2.refusal(ModelConfig(architecture="rnn"))
    assert ctranslate2.refusal(ModelConfig()) is None
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    with pytest.raises(Exception, match="pip install"):
        ctranslate2.require()


def test_quantised_weights_may_lose_a_little_and_no_more() -> None:
    def found(**changes: object) -> ExportCheck:
        values = {
            "lines": 100, "greedy_equal": 60, "beam_equal": 50, "largest_difference": 0.4, "bleu": 30.0, "exported_bleu": 29.0,
            "chrf": 50.0, "exported_chrf": 49.5, "chrf_interval": (-0.9, -0.1), "speed": 2.0,
        }  # fmt: skip
        return ExportCheck(**values | changes)

    assert found().refusal(quantised=True) is None
    assert "loses 3.00 chrF" in found(exported_chrf=47.0, chrf_interval=(-4.0, -2.0)).refusal(quantised=True)
    assert "differs by 0.4" in found().refusal(quantised=False)
    assert "60 of 100 greedy" in found(largest_difference=1e-5).refusal(quantised=False)
    assert found(largest_difference=1e-5, greedy_equal=99).refusal(quantised=False) is None


def test_sources_end_with_eos_only_once(tokenizer: Tokenizer, trained_run: Path, tmp_path: Path) -> None:
    """EOS is CTranslate2's to add: a source that had two would be another sentence."""
    loaded = load_model(trained_run)
    ctranslate2.write(loaded.model, tokenizer, tmp_path, None)
    torch.set_num_threads(2)
    exported = ctranslate2.Exported(tmp_path, tokenizer, 1)
    assert torch.get_num_threads() == 2, "the other program leaves torch its threads"
    [source] = tokenizer.encode_source(["ba be"])
    assert source[-1] == EOS and exported._source([source])[0][-1] != "</s>"


@pytest.mark.parametrize(("tied", "activation"), [("all", "relu"), ("decoder", "gelu"), ("none", "relu")])
def test_marian_scores_and_translates_as_mt_and_cuts_as_mt(tied: str, activation: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the `marian` extra is not installed; `make test` installs it")
    torch.manual_seed(5)
    config = ModelConfig(d_model=32, num_heads=4, d_ff=24, encoder_layers=2, decoder_layers=2, activation=activation, tie_embeddings=tied)
    model = random_model(config, tokenizer)
    marian.write(model, tokenizer, tmp_path)
    exported = marian.Exported(tmp_path, tokenizer, 1)
    lines = ["ba be bi bo", "da", "ma ka  di di mu do bi ki ke", "me du ☃ mi"]
    sources, targets = tokenizer.encode_source(lines), tokenizer.encode_target(["ba be", "da da da", "mu", "me du mi ba"])
    for ours, theirs in zip(score_ids(model, sources, targets, 1.0), exported.score(sources, targets), strict=True):
        assert theirs == pytest.approx(ours.token_log_probs, abs=2e-5)
    greedy = DecodingConfig(method="greedy", beam_size=1, max_length_ratio=0.0, max_length_extra=12)
    assert exported.translate(sources, greedy, 12) == [best.tokens for best, *_ in translate_ids(model, sources, greedy)]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"norm_position": "pre"}, "norm_position: post (this run has pre)"), ({"norm": "rmsnorm"}, "model.norm: layernorm"),
        ({"positions": "rotary"}, "model.positions: sinusoidal"), ({"activation": "swiglu"}, "relu or gelu"),
        ({"architecture": "rnn"}, "model.architecture: transformer"),
    ],
)  # fmt: skip
def test_what_marian_cannot_express_is_refused_by_name(changed: dict[str, str], reason: str) -> None:
    assert reason in marian.refusal(ModelConfig(**changed))
    assert marian.refusal(ModelConfig()) is None


def test_a_run_is_exported_to_marian_and_its_pre_norm_sister_is_refused(trained_run: Path) -> None:
    pytest.importorskip("transformers", reason="the `marian` extra is not installed; `make test` installs it")
    outcome = run_mt("export", str(trained_run), "--to", "marian", "--output", "marian", "--lines", "20")
    if load_model(trained_run).config.model.norm_position == "pre":
        assert outcome.exit_code == 2
        assert "norm_position" in outcome.stderr and "it can be exported to ctranslate2, onnx" in outcome.stderr
        return
    assert outcome.exit_code == 0, outcome.stderr
    assert "20 of 20" in outcome.stdout
    assert {"config.json", "model.safetensors", "source.spm", "vocab.json"} <= {path.name for path in Path("marian").iterdir()}
    assert run_mt("export", str(trained_run), "--to", "marian", "--quantization", "int8").exit_code == 2


@pytest.mark.parametrize("combination", COMBINATIONS[::5] + COMBINATIONS[1:8:3], ids="-".join)
def test_onnx_scores_and_translates_as_mt_with_any_beam(combination: tuple[str, ...], tokenizer: Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the `onnx` extra is not installed; `make test` installs it")
    positions, activation, norm, norm_position = combination
    torch.manual_seed(5)
    config = ModelConfig(
        d_model=32, num_heads=4, d_ff=24, encoder_layers=2, decoder_layers=2, positions=positions, activation=activation, norm=norm,
        norm_position=norm_position, tie_embeddings="none" if norm == "rmsnorm" else "decoder", max_positions=8,
    )  # fmt: skip
    model = random_model(config, tokenizer)
    onnx.write(model, tokenizer, tmp_path)
    exported = onnx.Exported(tmp_path, tokenizer, 1)
    sources = tokenizer.encode_source(["ba be bi bo", "da", "ma ka di di mu do bi ki ke da da da", "me du mi", "da bo", "ki ki"])
    targets = tokenizer.encode_target(["ba be", "da da da", "mu", "me du mi ba", "bi bi bi bi bi bi bi bi bi bi bi bi", "bo"])
    for ours, theirs in zip(score_ids(model, sources, targets, 1.0), exported.score(sources, targets), strict=True):
        assert theirs == pytest.approx(ours.token_log_probs, abs=2e-5)
    for beam in (1, 4):  # few tokens in a batch, so that sentences take the places of others
        options = DecodingConfig(beam_size=beam, max_tokens=60, max_length_extra=6)
        ours = [best.tokens for best, *_ in translate_ids(model, sources, options)]
        assert exported.translate(sources, options, 99) == ours


def test_a_run_is_exported_to_onnx(trained_run: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the `onnx` extra is not installed; `make test` installs it")
    outcome = run_mt("export", str(trained_run), "--to", "onnx", "--output", "graphs", "--lines", "20")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout.count("20 of 20") == 2, "mt's own search finds the same with a beam as well"
    assert {"encoder.onnx", "decoder.onnx", "tokenizer.model", "mt-export.json"} == {path.name for path in Path("graphs").iterdir()}
    refused = run_mt("translate", "--model", "graphs", "ba")
    assert refused.exit_code == 2 and "exported to onnx, which mt does not translate with" in refused.stderr


@pytest.mark.parametrize("program", ["ctranslate2", "onnx"])
def test_the_pages_examples_translate_without_mt(program: str, trained_run: Path) -> None:
    pages = [(Path(mt.__file__).parents[1] / "docs" / name).read_text(encoding="utf-8") for name in ("export.md", "export.ko.md")]
    blocks, korean = (re.findall(r"```python\n(.*?)```", page, re.DOTALL) for page in pages)
    assert blocks == korean
    [example] = [block for block in blocks if f"export/{program}" in block]
    assert run_mt("export", str(trained_run), "--to", program, "--output", f"export/{program}", "--lines", "5").exit_code == 0
    code = f"import sys\nsys.modules['mt'] = sys.modules['torch'] = None\n{example}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "ba be bi"), done.stderr


def test_training_says_what_its_model_can_be_exported_to() -> None:
    from mt.export.export import ways_out

    assert ways_out(ModelConfig()) == "Can be exported to: ctranslate2, marian, onnx."
    assert ways_out(ModelConfig(norm_position="pre")) == (
        "Can be exported to: ctranslate2, onnx. Not marian, which requires model.norm_position: post (this run has pre)."
    )
    assert ways_out(ModelConfig(architecture="rnn")).startswith("Can be exported to: no other program. Not ctranslate2, which requires")


def test_every_decoding_setting_is_taken_along_or_listed_as_lost() -> None:
    """A new field of `decoding` is not forgotten: this fails until mt/export/decoding.py says what becomes of it."""
    assert TAKEN.keys() == LOST.keys() == PROGRAMS.keys()
    for program, taken in TAKEN.items():
        groups = [{*taken} - {"method"}, {*LOST[program]}, {*WITHOUT_EFFECT}, {"method"}]
        assert set.union(*groups) == {*DecodingConfig.model_fields} and sum(map(len, groups)) == len(DecodingConfig.model_fields)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_lost_setting_is_named_unless_it_is_at_its_default(program: str) -> None:
    assert carry(DecodingConfig(), program).notes == []
    changed = {
        "coverage_penalty": 0.2, "shortlist": True, "precision": "bf16", "mbr": 9, "nbest": 8, "beam_size": 7, "length_penalty": 0.6,
        "max_length_ratio": 1.5, "max_length_extra": 4, "no_repeat_ngram": 3, "method": "sampling", "temperature": 0.8, "top_k": 9,
        "top_p": 0.9, "seed": 4,
    }  # fmt: skip
    options = DecodingConfig(**changed)
    carried = carry(options, program)
    named = {note.split(": ")[0].removeprefix("decoding.") for note in carried.notes}
    assert named == {*LOST[program], *({"method"} - {*TAKEN[program]})}
    assert all(f"no counterpart in {program}" in note for note in carried.notes)
    kept = {key: value for key, value in changed.items() if key in TAKEN[program]}
    assert carried.settings == kept | ({"nbest": 7} if program == "marian" else {})
    assert program == "onnx" or any("shortlist: true has" in note for note in carried.notes)


def test_greedy_search_is_exported_as_a_beam_of_one() -> None:
    carried = carry(DecodingConfig(method="greedy", no_repeat_ngram=2), "ctranslate2")
    assert carried.notes == [] and carried.settings["beam_size"] == carried.settings["nbest"] == 1
    assert carried.settings["mbr"] == 0 and carried.settings["no_repeat_ngram"] == 2


class Mimic:
    """A side of the check that translates as a model does, and goes on writing as long as it may."""

    def __init__(self, translator: Translator, wrong: float = 0.0):
        self.translator, self.wrong = translator, wrong

    def translate(self, sources: list, options: DecodingConfig, limit: int) -> list[list[int]]:
        found = [best for best, *_ in translate_ids(self.translator.model, sources, options)]
        return [best.tokens + ([] if best.finished else [7] * (limit - len(best.tokens))) for best in found]

    def score(self, sources: list, targets: list) -> list[list[float]]:
        scored = [one.token_log_probs for one in score_ids(self.translator.model, sources, targets, 1.0)]
        return [*scored[:-1], [*scored[-1][:-1], scored[-1][-1] + self.wrong]]


@pytest.mark.parametrize(
    "changes",
    [
        {"no_repeat_ngram": 1}, {"coverage_penalty": 2.0}, {"mbr": 4}, {"nbest": 3, "beam_size": 4},
        {"method": "sampling", "temperature": 3.0, "nbest": 9},
        {"max_length_ratio": 0.3, "max_length_extra": 1}, {"precision": "bf16"},
    ],
)  # fmt: skip
def test_the_check_compares_the_same_search_whatever_the_run_asks_for(trained_run: Path, changes: dict[str, object]) -> None:
    translator = Translator.load(trained_run)
    translator.config = replace_fields(translator.config, {f"decoding.{key}": value for key, value in changes.items()})
    sources = ["ba be bi ba be bi", "da", "mu mu mu mu mu mu mu mu mu mu mu mu", "ki du"]
    found = check(translator, Mimic(translator), sources, sources)
    assert found.greedy_equal == found.beam_equal == 4 and found.refusal(quantised=False) is None
    assert found.exported_chrf == found.chrf
    for wrong in (float("nan"), float("inf")):
        refused = check(translator, Mimic(translator, wrong), sources, sources)
        assert "not a number, or infinite" in refused.refusal(quantised=False) and refused.refusal(quantised=True)


def test_the_check_leaves_out_what_is_longer_than_in_training(trained_run: Path) -> None:
    translator = Translator.load(trained_run)
    rows = ["ba\tba", f"{'ba ' * 4000}\tba", f"ba\t{'ba ' * 4000}", "da\tda"]
    Path("v.tsv").write_text("\n".join(["source\ttarget", *rows]) + "\n", encoding="utf-8")
    translator.config = replace_fields(translator.config, {"data.valid": "v.tsv"})
    assert pairs_to_check(translator, 200) == (["ba", "da"], ["ba", "da"])
    Path("v.tsv").write_text("\n".join(["source\ttarget", rows[1]]) + "\n", encoding="utf-8")
    with pytest.raises(ExportError, match="none of the run's valid pairs can check the export"):
        pairs_to_check(translator, 200)


@pytest.fixture(scope="module")
def byte_tokenizer(cache: Path) -> Tokenizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_CACHE", str(cache))
        config = TokenizerConfig(vocab_size=290)
        return train_tokenizer(config, ["ba be bi <s> bo", "나는 책을 읽었다."] * 50, ["ba be", "mu da"] * 50).tokenizer


def test_marian_composes_decomposed_text(byte_tokenizer: Tokenizer, tmp_path: Path) -> None:
    """As macOS types Hangul, and as files from it have accents. Composed text stays as it is."""
    transformers = pytest.importorskip("transformers", reason="the `marian` extra is not installed; `make test` installs it")
    config = ModelConfig(d_model=32, num_heads=4, d_ff=24, encoder_layers=1, decoder_layers=1)
    marian.write(random_model(config, byte_tokenizer), byte_tokenizer, tmp_path)
    loaded = transformers.MarianTokenizer.from_pretrained(tmp_path)
    words = "나는 책을 읽었다. 각하 힣 값 뷁 café naïve Ångström ậ ế ṩ がぎ パ й ё क़ 豈 ﬁ ½ Ａ １ ① “y” \u212b"
    words += " \u00a0x 1\u200b2 \u1100\u1162\u11a8"
    for line in (words, *words.split()):
        composed = unicodedata.normalize("NFC", line)
        [expected] = byte_tokenizer.encode_source([composed])
        for form in ("NFC", "NFD"):
            assert loaded(unicodedata.normalize(form, line))["input_ids"] == expected, (form, line)
    draw = random.Random(3)
    plain, composing = byte_tokenizer.source.processor, sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "source.spm"))
    for _ in range(300):
        line = unicodedata.normalize("NFC", "".join(chr(draw.randrange(0x20, 0x3000)) for _ in range(6)))
        assert composing.encode(line) == plain.encode(line), line


def test_marian_composes_marks_in_every_order_that_means_the_same(byte_tokenizer: Tokenizer, tmp_path: Path) -> None:
    """As Vietnamese is often written, in the order of Windows-1258: a composed letter, then the tone mark."""
    composing = sentencepiece.SentencePieceProcessor(model_proto=with_nfc(byte_tokenizer.source.processor.serialized_model_proto()))
    plain = byte_tokenizer.source.processor
    vietnamese = [chr(code) for code in range(0x1EA0, 0x1EFA)]
    forms = ["Vi\u00ea\u0323t Nam", "a\u0306\u0323", "o\u0301\u031b", "\u00f3\u031b"]
    for letter in [*vietnamese, *map(chr, range(0x1E00, 0x1E9C)), "\u1f82"]:
        base, *marks = unicodedata.normalize("NFD", letter)
        for order in itertools.permutations(marks):
            begun = unicodedata.normalize("NFC", base + "".join(order[:1])) + "".join(order[1:])
            forms += [form for form in (base + "".join(order), begun) if unicodedata.normalize("NFC", form) == letter]
    assert len(forms) > 400
    for form in forms:
        assert composing.encode(form) == plain.encode(unicodedata.normalize("NFC", form)), ascii(form)


@pytest.mark.parametrize("kind", ["tokenizer", "byte_tokenizer"])
def test_marian_takes_text_that_looks_like_a_special_token_for_text(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    tokenizer = request.getfixturevalue(kind)
    transformers = pytest.importorskip("transformers", reason="the `marian` extra is not installed; `make test` installs it")
    config = ModelConfig(d_model=32, num_heads=4, d_ff=24, encoder_layers=1, decoder_layers=1)
    settings = {"beam_size": 4, "nbest": 2, "length_penalty": 0.6, "no_repeat_ngram": 3}
    marian.write(random_model(config, tokenizer), tokenizer, tmp_path, settings=settings)
    lines = ["ba be bi", "ba </s> be", "<unk> ba", "ba <pad> be", "ba <s> be", "</s>", "ba</s>", "ba >>ko<< be", "<0x41> ba", "▁ba", "☃ 책",
             ""]
    for loaded in (transformers.MarianTokenizer.from_pretrained(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)):
        for line, ids in zip(lines, tokenizer.encode_source(lines), strict=True):
            assert loaded(line)["input_ids"] == ids, line
    generation = json.loads((tmp_path / "generation_config.json").read_text(encoding="utf-8"))
    chosen = {"num_beams": 4, "num_return_sequences": 2, "length_penalty": 0.6, "no_repeat_ngram_size": 3, "max_length": marian.POSITIONS}
    assert chosen.items() <= generation.items()
