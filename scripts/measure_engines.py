"""Measure whether the engine that answers by default ever gives another translation than torch, on random models.

    python scripts/measure_engines.py [--models 300] [--sentences 20] [--seed 1] [--unchecked]

Each model is a run of its own: a Transformer with drawn sizes, parts and vocabularies (a third of them multiples of 64) that has begun to
learn to replace tokens (tests/drawn_models.py), written as `mt train` writes it, with drawn decoding settings. `mt translate`'s default
engine is opened on it twice: the first time torch translates and the two engines are compared, the second time numpy translates what it
is certain of, if the comparison passed. Both times every translation must be the one of `--engine torch`, which is loaded by itself.

--unchecked: trust numpy without a comparison, to see what the search itself gets wrong. Exit code 1 where a translation differs.
"""

import argparse
import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import sentencepiece  # noqa: E402 - the project is found through the line above
import torch  # noqa: E402

from mt.config import Config  # noqa: E402
from mt.config_file import dump_config  # noqa: E402
from mt.data.special_ids import BOS, EOS, PAD, UNK  # noqa: E402
from mt.data.tokenizer import Tokenizer, Vocabulary  # noqa: E402
from mt.engine_record import EngineCheck  # noqa: E402
from mt.instant.translator import InstantTranslator  # noqa: E402
from mt.runs import RunDirectory  # noqa: E402
from mt.stored_model import parameters_of, serialise  # noqa: E402
from mt.translate_command import open_translator  # noqa: E402
from tests.drawn_models import VOCABULARIES, draw_model, draw_options, draw_sources, taught_model  # noqa: E402

MULTIPLES = (64, 128, 192, 256, 512, 640, 1024, 2048, 8000)
"""Of 64; the last is the default vocabulary's size."""


def words_vocabulary(size: int) -> Vocabulary:
    """A vocabulary of that many pieces, each a word of its own."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(f"w{number}" for number in range(size - 4)), model_writer=written, vocab_size=size, model_type="word",
        normalization_rule_name="identity", pad_id=PAD, unk_id=UNK, bos_id=BOS, eos_id=EOS, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return Vocabulary.from_bytes(written.getvalue(), "words")


def draw_run(folder: Path, seed: int, sentences: int) -> tuple[str, list[str]]:
    """Write a run. Returns what it is, and sentences to translate."""
    draw = random.Random(seed)
    model_config = draw_model(draw)
    target = draw.choice(MULTIPLES if seed % 3 == 0 else VOCABULARIES)
    source = target if model_config.tie_embeddings == "all" else draw.choice(VOCABULARIES)
    options = draw_options(draw)
    model, known = taught_model(model_config, (source, target), draw, updates=80)
    own = words_vocabulary(source)
    tokenizer = Tokenizer(own, own if model_config.tie_embeddings == "all" else words_vocabulary(target))
    config = Config(
        name=folder.name, data={"train": ["copy"], "max_length": min(64, model_config.max_positions)}, source="en", target="en",
        tokenizer={"shared": tokenizer.shared}, model=model_config, decoding=options,
    )  # fmt: skip
    folder.mkdir(parents=True)
    run, content = RunDirectory(folder), serialise(parameters_of(model), tokenizer.fingerprint())
    run.config_path.write_text(dump_config(config), encoding="utf-8")
    tokenizer.save(folder)
    run.weights_path.write_bytes(content)
    run.write_json("summary.json", {"weights_sha256": sha256(content).hexdigest()})
    lines = [own.processor.decode(ids[:-1]) for ids in draw_sources(draw, known, sentences)]
    parts = " ".join(str(getattr(model_config, name)) for name in ("d_model", "norm_position", "norm", "positions", "activation"))
    return f"{source}→{target} {parts} {model_config.tie_embeddings} {options.method} {options.beam_size}", lines


def default_translations(folder: Path, lines: list[str]) -> tuple[list[str], int, list[EngineCheck]]:
    """What the default engine translates, how many of these came from numpy, and the comparison made afterwards."""
    translator = open_translator([str(folder)], "auto", "cpu", instant=True)
    assert isinstance(translator, InstantTranslator)
    from_torch = []
    full = translator.full
    translator.full = lambda: from_torch.append(1) or full()
    found, by_numpy = [], 0
    for line in lines:
        before = len(from_torch)
        found += translator.translate([line])
        by_numpy += len(from_torch) == before
    return found, by_numpy, translator.compare_engines()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--sentences", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unchecked", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.unchecked:
        InstantTranslator._is_compared = lambda self, options: True
    totals: Counter[str] = Counter()
    distinct, largest, begun = 0, 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        os.environ["MT_CACHE"] = f"{place}/cache"
        for seed in range(arguments.seed, arguments.seed + arguments.models):
            folder = Path(place) / f"run-{seed}"
            described, lines = draw_run(folder, seed, arguments.sentences)
            expected = open_translator([str(folder)], "torch", "cpu").translate(lines)
            distinct += len({*expected})
            for time_of_use in ("first", "second"):
                found, by_numpy, checks = default_translations(folder, lines)
                wrong = sum(one != other for one, other in zip(found, expected, strict=True))
                totals.update({"translations": len(lines), "different": wrong, f"numpy {time_of_use}": by_numpy})
                if wrong:
                    print(f"seed {seed}: {wrong} of {len(lines)} differ: {described}")
                for check in checks:
                    outcome = "passed" if check.passed else "differs" if check.differs else "too few certain"
                    totals[outcome] += 1
                    largest = max(largest, check.largest_difference)
                    if check.differs:
                        print(f"seed {seed}: {check.verdict}: {described}")
            totals["models"] += 1
    print(
        f"{totals['models']} models, {totals['translations']} translations by the default engine ({distinct} distinct ones by torch): "
        f"{totals['different']} different from torch's\n"
        f"comparisons: {totals['passed']} passed, {totals['too few certain']} with too few certain ones, {totals['differs']} differ; "
        f"equal translations' log-probabilities differ by at most {largest:.1e}\n"
        f"by numpy: {totals['numpy first']} translations at first use, {totals['numpy second']} at the second; "
        f"{time.monotonic() - begun:.0f} s"
    )
    sys.exit(1 if totals["different"] else 0)


if __name__ == "__main__":
    main()
