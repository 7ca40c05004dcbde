"""CTranslate2's search, timed: called by bench_decoding.py with a job as JSON; prints its figures as JSON. No torch, no mt."""

import json
import resource
import sys
import time
from pathlib import Path

import ctranslate2


def main() -> None:
    """Load, warm up, translate everything, then sentence by sentence."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    place = folder / job["program"]
    pieces = json.loads(next(place.glob("*vocabulary.json")).read_text(encoding="utf-8"))
    ids = {piece: number for number, piece in enumerate(pieces)}
    sources = [[pieces[token] for token in source[:-1]] for source in json.loads((folder / "sources.json").read_text(encoding="utf-8"))]
    kind = "int8" if job["program"].endswith("int8") else "float32"
    translator = ctranslate2.Translator(str(place), inter_threads=job["threads"], intra_threads=1, compute_type=kind)
    options = {"beam_size": job["beam"], "length_penalty": job["penalty"], "min_decoding_length": 0, "max_batch_size": 64}
    translator.translate_batch(sources[:100], **options)
    begin = time.perf_counter()
    found = translator.translate_batch(sources, **options)
    seconds = time.perf_counter() - begin
    alone = sources[: job["single"]]
    begin = time.perf_counter()
    for source in alone:
        translator.translate_batch([source], **options)
    single = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    tokens = [[ids[piece] for piece in result.hypotheses[0]] for result in found]
    figures = {"per_second": len(sources) / seconds, "single_ms": single / len(alone) * 1e3, "peak_mb": peak, "tokens": tokens}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
