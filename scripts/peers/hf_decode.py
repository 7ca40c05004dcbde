"""Hugging Face's generate() with the same weights, timed: called by bench_decoding.py with a job as JSON; prints its figures as JSON.

M2M100 has the same layers as a pre-norm Transformer of mt. Its own table of positions is laid out otherwise and replaced; mt is not loaded.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from peak_memory import peak_mb
from safetensors.torch import load_file
from transformers import M2M100Config, M2M100ForConditionalGeneration

PAD, BOS, EOS = 0, 2, 3
BATCH = 64
POSITIONS = 1024
NAMES = (
    ("self_attention_residual.norm.", "self_attn_layer_norm."), ("cross_attention_residual.norm.", "encoder_attn_layer_norm."),
    ("feed_forward_residual.norm.", "final_layer_norm."), ("self_attention.", "self_attn."), ("cross_attention.", "encoder_attn."),
    ("feed_forward.in_proj.", "fc1."), ("feed_forward.out_proj.", "fc2."),
)  # fmt: skip
"""What mt calls a part, and what M2M100 does."""


def load(folder: Path) -> M2M100ForConditionalGeneration:
    """The model with mt's weights."""
    shape = json.loads((folder / "shape.json").read_text(encoding="utf-8"))
    assert shape["norm_position"] == "pre" and shape["positions"] == "sinusoidal" and shape["tie_embeddings"] == "all"
    assert shape["norm"] == "layernorm" and shape["activation"] in ("relu", "gelu")
    width = shape["d_model"]
    sides = {}
    for side in ("encoder", "decoder"):
        sides[f"{side}_layers"] = shape[f"{side}_layers"]
        sides |= {f"{side}_attention_heads": shape["num_heads"], f"{side}_ffn_dim": shape["d_ff"]}
    config = M2M100Config(
        vocab_size=shape["vocabulary"], d_model=width, activation_function=shape["activation"], scale_embedding=True, pad_token_id=PAD,
        bos_token_id=BOS, eos_token_id=EOS, decoder_start_token_id=BOS, max_position_embeddings=POSITIONS, **sides,
    )  # fmt: skip
    model = M2M100ForConditionalGeneration(config).eval()
    renamed = {}
    for name, weight in load_file(folder / "weights.safetensors").items():
        if name == "source_embedding.weight":
            renamed["model.shared.weight"] = weight
            continue
        new = name.replace("encoder_norm.", "encoder.layer_norm.").replace("decoder_norm.", "decoder.layer_norm.")
        side, number, rest = (*new.split(".", 2), "")[:3]
        if number.isdigit():
            for ours, theirs in NAMES:
                if rest.startswith(ours):
                    rest = theirs + rest.removeprefix(ours)
                    break
            new = f"{side}.layers.{number}.{rest}"
        renamed[f"model.{new}"] = weight
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected and all("embed_tokens" in name or "lm_head" in name for name in missing), (missing, unexpected)
    model.tie_weights()
    position = torch.arange(POSITIONS, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    table = torch.stack([torch.sin(position * rate), torch.cos(position * rate)], dim=2).flatten(1).float()
    for side in (model.model.encoder, model.model.decoder):
        side.embed_positions.weights[PAD + 1 : PAD + 1 + POSITIONS] = table  # positions are counted from PAD + 1
        side.embed_positions.weights[PAD] = 0
    return model


@torch.inference_mode()
def translate(model: M2M100ForConditionalGeneration, sources: list[list[int]], job: dict) -> list[list[int]]:
    """Longest first, in batches; in the order given."""
    order = sorted(range(len(sources)), key=lambda number: -len(sources[number]))
    found: list[list[int]] = [[] for _ in sources]
    for first in range(0, len(order), BATCH):
        numbers = order[first : first + BATCH]
        longest = max(len(sources[number]) for number in numbers)
        ids = torch.tensor([sources[number] + [PAD] * (longest - len(sources[number])) for number in numbers])
        generated = model.generate(
            input_ids=ids, attention_mask=(ids != PAD).long(), num_beams=job["beam"], length_penalty=job["penalty"], do_sample=False,
            max_new_tokens=2 * longest + 10, forced_bos_token_id=None,
        )  # fmt: skip
        for number, row in zip(numbers, generated.tolist(), strict=True):
            row = row[1:]
            found[number] = row[: row.index(EOS)] if EOS in row else [token for token in row if token != PAD]
    return found


def main() -> None:
    """Load, warm up, translate everything, then sentence by sentence."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    torch.set_num_threads(job["threads"])
    model = load(folder)
    sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
    translate(model, sources[:100], job)
    begin = time.perf_counter()
    tokens = translate(model, sources, job)
    seconds = time.perf_counter() - begin
    alone = sources[: job["single"]]
    begin = time.perf_counter()
    for source in alone:
        translate(model, [source], job)
    single = time.perf_counter() - begin
    figures = {"per_second": len(sources) / seconds, "single_ms": single / len(alone) * 1e3, "peak_mb": peak_mb(), "tokens": tokens}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
