"""How fast `mt` trains, beside other programs, on this machine: target tokens per second, and how much of the machine that is.

    python scripts/bench_training.py --data DIR --source en --target de [--shapes tiny small base] [--peers hf joeynmt] [--rounds 3]
    python scripts/bench_training.py --install-peers        (once: PyTorch and the peers, into .bench-peers)

DIR holds train.SOURCE and train.TARGET. All programs get the same pairs, cut by the same SentencePiece model of 8000 pieces, the same
shape and batches of about 4096 tokens, and run in turn (mt, peer, mt, peer …), each in a process of its own with all threads; the
median of the rounds is shown with the least and the most, and the ratios are formed round by round. For `mt` also: the share of the
matrix product's peak, which is measured in the same process just before and after; padding; peak memory. A peer's figure is target
tokens without padding, as for `mt`; its validation and saving are off.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SHAPES = {
    "tiny": {"layers": 4, "d_model": 128, "heads": 4, "d_ff": 256, "dropout": 0.3},
    "small": {"layers": 3, "d_model": 256, "heads": 4, "d_ff": 1024, "dropout": 0.1},
    "base": {"layers": 6, "d_model": 512, "heads": 8, "d_ff": 2048, "dropout": 0.1},
}
"""Layers in the encoder and in the decoder each."""
PEERS = {"hf": "hf_marian.py", "joeynmt": "joeynmt_train.py"}
VOCABULARY = 8000
MAX_TOKENS = 4096
HERE = Path(__file__).resolve().parent
PEER_PYTHON = HERE.parent / ".bench-peers" / "bin" / "python"


def install_peers() -> None:
    """Make .bench-peers and put the peers there. JoeyNMT's own pins are of 2024: it goes in without them, with what it imports."""
    environment = PEER_PYTHON.parent.parent
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(PEER_PYTHON), "-m", "pip", "install", "--quiet"]
    constraints = HERE.parent / "constraints.txt"
    needs = ["torch", "transformers", "accelerate", "sentencepiece", "subword-nmt", "sacrebleu", "sacremoses", "matplotlib", "pyyaml",
             "tensorboard", "importlib_metadata", "pandas", "packaging"]  # fmt: skip
    subprocess.run([*pip, "--constraint", str(constraints), *needs], check=True)
    subprocess.run([*pip, "--no-deps", "joeynmt==2.3.0"], check=True)


def prepare(folder: Path, data: Path, source: str, target: str) -> None:
    """Write the pairs as pieces and as ids, and the vocabulary, where every program can read them."""
    from mt.config import TokenizerConfig
    from mt.data.corpus import read_lines
    from mt.data.tokenizer_training import train_tokenizer

    sides = [read_lines(data / f"train.{language}") for language in (source, target)]
    tokenizer = train_tokenizer(TokenizerConfig(vocab_size=VOCABULARY, model_type="bpe"), *sides).tokenizer
    processor = tokenizer.source.processor
    tokenizer.save(folder)
    for name, lines in zip(("source", "target"), sides, strict=True):
        pieces = processor.encode(lines, out_type=str)
        (folder / f"train.{name}").write_text("".join(" ".join(line) + "\n" for line in pieces), encoding="utf-8")
        ids = processor.encode(lines, out_type=int)
        (folder / f"ids.{name}.json").write_text(json.dumps(ids), encoding="utf-8")
        (folder / f"raw.{name}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    vocabulary = [processor.id_to_piece(number) for number in range(4, processor.get_piece_size())]
    (folder / "vocabulary.txt").write_text("".join(piece + "\n" for piece in vocabulary), encoding="utf-8")


def run_program(program: str, shape: str, folder: Path, seconds: float) -> dict:
    """One program in a process of its own; what it prints last is its figures as JSON."""
    job = SHAPES[shape] | {"folder": str(folder), "seconds": seconds, "vocabulary": VOCABULARY, "max_tokens": MAX_TOKENS}
    if program == "mt":
        command = [sys.executable, str(HERE / "peers" / "mt_train.py")]
    else:
        command = [str(PEER_PYTHON), str(HERE / "peers" / PEERS[program])]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)} if program == "mt" else dict(os.environ)
    done = subprocess.run([*command, json.dumps(job)], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{program} failed on {shape}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def spread(values: list[float], digits: int = 0) -> str:
    """median (least–most)."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def main() -> None:
    """Prepare once, run in turn, print a table per shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install-peers", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["tiny"])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each program is timed in a round, after its warm-up")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.install_peers:
        install_peers()
    if arguments.data is None:
        return None if arguments.install_peers else parser.error("--data is missing")
    results: dict[str, dict[str, list[dict]]] = {}
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place), arguments.data, arguments.source, arguments.target)
        for shape in arguments.shapes:
            figures = results[shape] = {program: [] for program in ("mt", *arguments.peers)}
            for _ in range(arguments.rounds):
                for program in figures:
                    figures[program].append(run_program(program, shape, Path(place), arguments.seconds))
            show(shape, figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return None


def show(shape: str, figures: dict[str, list[dict]]) -> None:
    """One shape's table."""
    ours = figures["mt"]
    print(f"\n{shape}: {ours[0]['parameters']:,} parameters, {ours[0]['precision']}, {ours[0]['threads']} threads")
    print(f"  mt       {spread([one['tokens_per_second'] for one in ours])} target tokens/s")
    share = [100 * one["flops_per_second"] / one["peak_flops"] for one in ours]
    print(f"           {spread([one['flops_per_second'] / 1e9 for one in ours])} GFLOP/s, {spread(share)} % of the {ours[0]['precision']} "
          f"matrix product's {spread([one['peak_flops'] / 1e9 for one in ours])}; padding {100 * ours[0]['padding']:.1f} %, "
          f"peak memory {spread([one['peak_memory_mb'] for one in ours])} MB")  # fmt: skip
    for peer, theirs in figures.items():
        if peer != "mt":
            ratios = [one["tokens_per_second"] / other["tokens_per_second"] for one, other in zip(ours, theirs, strict=True)]
            print(f"  {peer:8} {spread([one['tokens_per_second'] for one in theirs])} target tokens/s; {theirs[0]['about']}")
            print(f"           mt is {spread(ratios, 2)} times as fast")


if __name__ == "__main__":
    main()
