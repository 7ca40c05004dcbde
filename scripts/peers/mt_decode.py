"""`mt`'s own search, timed: called by bench_decoding.py with a job as JSON; prints its figures as JSON."""

import json
import sys
import time
from pathlib import Path

import torch
from peak_memory import peak_mb
from safetensors.torch import load_file

from mt.config import DecodingConfig, ModelConfig
from mt.decoding.batches import translate_ids
from mt.decoding.shortlist import Shortlist
from mt.memory import prepare_to_translate
from mt.model.build import build_model
from mt.stored_model import load_parameters


def main() -> None:
    """Load, warm up, translate everything, then sentence by sentence."""
    job = json.loads(sys.argv[1])
    prepare_to_translate()
    folder = Path(job["folder"])
    torch.set_num_threads(job["threads"])
    shape = json.loads((folder / "shape.json").read_text(encoding="utf-8"))
    vocabulary = shape.pop("vocabulary")
    model = build_model(ModelConfig(**shape), vocabulary, vocabulary).eval()
    load_parameters(model, load_file(folder / "weights.safetensors"), folder)
    sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
    method = "beam" if job["beam"] > 1 else "greedy"
    _, _, kind = job["program"].partition("-")
    shortlist = Shortlist.of(load_file(folder / "shortlist.safetensors")) if kind == "shortlist" else None
    precision = kind if kind and shortlist is None else "fp32"
    options = DecodingConfig(method=method, beam_size=job["beam"], length_penalty=job["penalty"], precision=precision)
    translate_ids(model, sources[:100], options, shortlist=shortlist)
    begin = time.perf_counter()
    found = translate_ids(model, sources, options, shortlist=shortlist)
    seconds = time.perf_counter() - begin
    alone = sources[: job["single"]]
    begin = time.perf_counter()
    for source in alone:
        translate_ids(model, [source], options, shortlist=shortlist)
    single = time.perf_counter() - begin
    tokens = [best.tokens for best, *_ in found]
    figures = {"per_second": len(sources) / seconds, "single_ms": single / len(alone) * 1e3, "peak_mb": peak_mb(), "tokens": tokens}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
