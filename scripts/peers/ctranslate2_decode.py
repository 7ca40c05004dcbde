"""CTranslate2's search, timed: called by bench_decoding.py with a job as JSON; prints its figures as JSON. No torch, no mt."""

import json
import sys
import time
from pathlib import Path

import ctranslate2
from peak_memory import peak_mb


def main() -> None:
    """Load, warm up, translate everything, then sentence by sentence."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    place = folder / job["program"]
    pieces = json.loads(next(place.glob("*vocabulary.json")).read_text(encoding="utf-8"))
    ids = {piece: number for number, piece in enumerate(pieces)}
    sources = [[pieces[token] for token in source[:-1]] for source in json.loads((folder / "sources.json").read_text(encoding="utf-8"))]
    kind = "int8" if job["program"].endswith("int8") else "float32"

    def load(translators: int, threads: int) -> ctranslate2.Translator:
        """So many at a time, with so many threads each."""
        return ctranslate2.Translator(str(place), inter_threads=translators, intra_threads=threads, compute_type=kind)

    translator = load(job["threads"], 1)
    options = {"beam_size": job["beam"], "length_penalty": job["penalty"], "min_decoding_length": 0, "max_batch_size": 64}
    translator.translate_batch(sources[:100], **options)
    begin = time.perf_counter()
    found = translator.translate_batch(sources, **options)
    seconds = time.perf_counter() - begin
    peak = peak_mb()
    alone = sources[: job["single"]]

    def one_by_one(translator: ctranslate2.Translator) -> float:
        """Seconds for those alone."""
        translator.translate_batch(alone[:1], **options)
        begin = time.perf_counter()
        for source in alone:
            translator.translate_batch([source], **options)
        return time.perf_counter() - begin

    single = min(one_by_one(translator), one_by_one(load(1, job["threads"])))
    tokens = [[ids[piece] for piece in result.hypotheses[0]] for result in found]
    figures = {"per_second": len(sources) / seconds, "single_ms": single / len(alone) * 1e3, "peak_mb": peak, "tokens": tokens}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
