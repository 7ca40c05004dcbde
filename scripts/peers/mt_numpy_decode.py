"""`mt`'s search in numpy (mt/instant), timed: called by bench_decoding.py with a job as JSON; prints its figures as JSON.

It translates one sentence after the other; one of which it is not certain has no tokens here.
"""

import json
import sys
import time
from pathlib import Path

from peak_memory import peak_mb
from safetensors.numpy import load_file

from mt.config import DecodingConfig, ModelConfig
from mt.decoding.hypothesis import length_limit
from mt.instant.search import UncertainError, search
from mt.instant.transformer import Transformer


def main() -> None:
    """Load, warm up, translate everything, then the first ones again."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    shape = json.loads((folder / "shape.json").read_text(encoding="utf-8"))
    vocabulary = shape.pop("vocabulary")
    model = Transformer(ModelConfig(**shape), vocabulary, vocabulary, load_file(folder / "weights.safetensors"))
    sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
    options = DecodingConfig(method="beam" if job["beam"] > 1 else "greedy", beam_size=job["beam"], length_penalty=job["penalty"])

    def tokens(source: list[int]) -> list[int]:
        """The best translation's."""
        try:
            return search(model, source, options, length_limit(len(source) - 1, options)).tokens
        except UncertainError:
            return []

    for source in sources[:20]:
        tokens(source)
    begin = time.perf_counter()
    found = [tokens(source) for source in sources]
    seconds = time.perf_counter() - begin
    alone = sources[: job["single"]]
    begin = time.perf_counter()
    for source in alone:
        tokens(source)
    single = time.perf_counter() - begin
    print(json.dumps({"per_second": len(sources) / seconds, "single_ms": single / len(alone) * 1e3, "peak_mb": peak_mb(), "tokens": found}))


if __name__ == "__main__":
    main()
