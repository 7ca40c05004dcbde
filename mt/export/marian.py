"""A trained Transformer as a MarianMT folder of Hugging Face's transformers, with a tokenizer that gives the same ids.

    from transformers import pipeline  # transformers 4; version 5 has no translation pipeline, but MarianMTModel and MarianTokenizer
    pipeline("translation", "runs/base/export/marian")("문장")

MarianMT is the Transformer of the paper as Marian trains it: post-norm, LayerNorm, biases, sinusoidal positions. Its table of positions has
all sines first, then all cosines, where the paper's alternates them; so the features of the model (D) are written in that order, in every
weight, which changes nothing else. Nothing of transformers is needed to write the folder.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS, PAD, UNK
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.errors import ExportError
from mt.export.decoding import TAKEN
from mt.export.engine import pieces
from mt.export.nfc import with_nfc
from mt.files import write_atomically
from mt.install_hint import install_command
from mt.model.transformer import Transformer

SEARCH = "its search is not mt's"
"""What finds the translations of the check's other side."""
POSITIONS = 1024
"""Tokens of the longest sentence at least, a number that MarianMT's table of positions needs."""
_BATCH = 32


def refusal(config: ModelConfig) -> str | None:
    """Why a model of this configuration cannot become a MarianMT model; None if it can."""
    wanted = {"architecture": ("transformer",), "norm_position": ("post",), "norm": ("layernorm",), "positions": ("sinusoidal",),
              "activation": ("relu", "gelu")}  # fmt: skip
    for key, values in wanted.items():
        if getattr(config, key) not in values:
            return f"which requires model.{key}: {' or '.join(values)} (this run has {getattr(config, key)})"
    return None


def require() -> None:
    """ExportError when transformers, which the check translates with, is not installed."""
    try:
        from transformers import MarianMTModel, MarianTokenizer  # noqa: F401 - only whether they are there
    except ImportError as error:
        raise ExportError(
            f"transformers is needed to check the export and is not installed; run: {install_command('marian')}"
        ) from error


def write(
    model: Transformer, tokenizer: Tokenizer, folder: Path, positions: int = POSITIONS, settings: Mapping[str, object] | None = None
) -> None:
    """Write the model and its tokenizer into a folder that exists.

    positions: the longest text in tokens, end included. settings: of decoding, as `carry` gives them; None: greedy search.
    """
    from safetensors.torch import save_file

    save_file({name: weight.contiguous() for name, weight in weights(model)}, folder / "model.safetensors", {"format": "pt"})
    config = model.config
    sizes = len(tokenizer.source), len(tokenizer.target)
    shared = config.tie_embeddings == "all"
    special = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": BOS}
    _write_json(folder / "config.json", {
        "model_type": "marian", "architectures": ["MarianMTModel"], "is_encoder_decoder": True, "torch_dtype": "float32",
        "vocab_size": sizes[0], "decoder_vocab_size": sizes[1], "share_encoder_decoder_embeddings": shared,
        "tie_word_embeddings": config.tie_embeddings != "none", "scale_embedding": True, "static_position_embeddings": True,
        "d_model": config.d_model, "encoder_layers": config.encoder_layers, "decoder_layers": config.decoder_layers,
        "num_hidden_layers": config.encoder_layers, "encoder_attention_heads": config.num_heads,
        "decoder_attention_heads": config.num_heads, "encoder_ffn_dim": config.d_ff, "decoder_ffn_dim": config.d_ff,
        "activation_function": config.activation, "max_position_embeddings": positions, "normalize_before": False,
        "normalize_embedding": False, "add_final_layer_norm": False, "forced_eos_token_id": None,
        "dropout": config.dropout, "attention_dropout": config.attention_dropout, "activation_dropout": config.activation_dropout,
        **special,
    })  # fmt: skip
    _write_json(folder / "generation_config.json", special | {
        **_generation(settings or {"beam_size": 1}), "max_length": positions, "bad_words_ids": [[PAD], [BOS]], "renormalize_logits": False,
    })  # fmt: skip
    _write_tokenizer(tokenizer, folder, shared, positions)


def _generation(settings: Mapping[str, object]) -> dict[str, object]:
    """Decoding settings by transformers' names. What is off there is left out, or transformers warns of it."""
    off = {"nbest": 1, "no_repeat_ngram": 0, "length_penalty": settings.get("length_penalty") if settings["beam_size"] == 1 else None}
    names = TAKEN["marian"]
    return {names[key]: value for key, value in settings.items() if key not in off or value != off[key]}


def weights(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Every tensor under the name that MarianMT gives it, features in its order."""
    config = model.config
    order_D = torch.cat([torch.arange(0, config.d_model, 2), torch.arange(1, config.d_model, 2)])
    source_VD, target_VD = (embedding.weight.detach()[:, order_D] for embedding in (model.source_embedding, model.target_embedding))
    if config.tie_embeddings == "all":
        yield "model.shared.weight", source_VD
    else:
        yield "model.encoder.embed_tokens.weight", source_VD
        yield "model.decoder.embed_tokens.weight", target_VD
    if config.tie_embeddings == "none":
        yield "lm_head.weight", model.output_weight_VD.detach()[:, order_D]
    yield "final_logits_bias", torch.zeros(1, len(model.output_weight_VD))
    for side, layers in (("encoder", model.encoder), ("decoder", model.decoder)):
        for number, layer in enumerate(layers):
            place = f"model.{side}.layers.{number}"
            yield from _attention(f"{place}.self_attn", layer.self_attention, order_D)
            yield from _norm(f"{place}.self_attn_layer_norm", layer.self_attention_residual.norm, order_D)
            if side == "decoder":
                yield from _attention(f"{place}.encoder_attn", layer.cross_attention, order_D)
                yield from _norm(f"{place}.encoder_attn_layer_norm", layer.cross_attention_residual.norm, order_D)
            yield f"{place}.fc1.weight", layer.feed_forward.in_proj.weight.detach()[:, order_D]
            yield f"{place}.fc1.bias", layer.feed_forward.in_proj.bias.detach()
            yield f"{place}.fc2.weight", layer.feed_forward.out_proj.weight.detach()[order_D]
            yield f"{place}.fc2.bias", layer.feed_forward.out_proj.bias.detach()[order_D]
            yield from _norm(f"{place}.final_layer_norm", layer.feed_forward_residual.norm, order_D)


def _attention(place: str, attention: nn.Module, order_D: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Heads stay as they are; what reads and writes the features follows their order."""
    for name in ("q_proj", "k_proj", "v_proj"):
        yield f"{place}.{name}.weight", getattr(attention, name).weight.detach()[:, order_D]
        yield f"{place}.{name}.bias", getattr(attention, name).bias.detach()
    yield f"{place}.out_proj.weight", attention.out_proj.weight.detach()[order_D]
    yield f"{place}.out_proj.bias", attention.out_proj.bias.detach()[order_D]


def _norm(place: str, norm: nn.LayerNorm, order_D: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield f"{place}.weight", norm.weight.detach()[order_D]
    yield f"{place}.bias", norm.bias.detach()[order_D]


def _write_tokenizer(tokenizer: Tokenizer, folder: Path, shared: bool, positions: int) -> None:
    """The SentencePiece models, which also compose text to NFC, and their pieces with our ids.

    What looks like a special token in a text is text.
    """
    for name, vocabulary in (("source", tokenizer.source), ("target", tokenizer.target)):
        write_atomically(folder / f"{name}.spm", with_nfc(vocabulary.processor.serialized_model_proto()))
    _write_json(folder / "vocab.json", {piece: token for token, piece in enumerate(names_of(tokenizer.source))})
    settings = {
        "tokenizer_class": "MarianTokenizer", "model_max_length": positions, "separate_vocabs": not shared,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False, "unk_token": names_of(tokenizer.source)[UNK], "eos_token": names_of(tokenizer.source)[EOS],
        "pad_token": names_of(tokenizer.source)[PAD],
    }  # fmt: skip
    if not shared:
        _write_json(folder / "target_vocab.json", {piece: token for token, piece in enumerate(names_of(tokenizer.target))})
    _write_json(folder / "tokenizer_config.json", settings)


def names_of(vocabulary: Vocabulary) -> list[str]:
    """Every piece by id, as MarianTokenizer looks it up.

    It looks up what SentencePiece cuts from a text, and an unknown run of characters, such as `</s>`, comes as it is. So that this is not
    taken for a special piece, these have names that no such run can have, unless bytes spell all that is unknown.
    """
    found = pieces(vocabulary)
    if not any(vocabulary.processor.is_byte(list(range(len(vocabulary))))):
        for token in (PAD, BOS, EOS):
            found[token] = f"▁{found[token]}▁"
    return found


def _write_json(path: Path, content: dict) -> None:
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


class Exported:
    """The folder as transformers loads it: the other side of the check, in token ids."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, threads: int):
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.model = transformers.MarianMTModel.from_pretrained(str(folder), local_files_only=True).eval()

    def translate(self, sources: Sequence[Sequence[int]], options: DecodingConfig, limit: int) -> list[list[int]]:
        """The best translation of each source, without EOS. limit: the most tokens of any; of `options` beam size and penalty are read.

        transformers divides by a power of the length, and refills a beam: at a beam above 1 its search is not mt's.
        """
        found: list[list[int]] = []
        beam = options.beam_size if options.method == "beam" else 1
        chosen = {"no_repeat_ngram_size": 0, "num_return_sequences": 1, "length_penalty": options.length_penalty if beam > 1 else 1.0}
        for first in range(0, len(sources), _BATCH):
            ids_BS = _padded(sources[first : first + _BATCH])
            with torch.inference_mode():
                ids_BT = self.model.generate(
                    input_ids=ids_BS, attention_mask=(ids_BS != PAD).long(), num_beams=beam, max_new_tokens=limit, do_sample=False,
                    **chosen,
                )  # fmt: skip
            for row in ids_BT[:, 1:].tolist():
                found.append(row[: row.index(EOS)] if EOS in row else [token for token in row if token != PAD])
        return found

    def score(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-probability of each target token, EOS included."""
        found: list[list[float]] = []
        for first in range(0, len(sources), _BATCH):
            ids_BS = _padded(sources[first : first + _BATCH])
            given = [[*target, *([] if target and target[-1] == EOS else [EOS])] for target in targets[first : first + _BATCH]]
            wanted_BT = _padded(given)
            read_BT = torch.cat([torch.full((len(given), 1), BOS), wanted_BT[:, :-1]], dim=1)
            with torch.inference_mode():
                logits_BTV = self.model(input_ids=ids_BS, attention_mask=(ids_BS != PAD).long(), decoder_input_ids=read_BT).logits
            log_probs_BT = logits_BTV.float().log_softmax(-1).gather(2, wanted_BT[:, :, None])[:, :, 0]
            found += [row[: len(target)].tolist() for row, target in zip(log_probs_BT, given, strict=True)]
        return found


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Token ids in rows of one length."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
