"""Which of a run's decoding settings an export takes along, and what becomes of the others: the one list for all programs.

A test holds it against DecodingConfig, so that a new field cannot be forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mt.config import Config, DecodingConfig
from mt.config_file import replace_fields
from mt.errors import ConfigError, ExportError

TAKEN: Mapping[str, Mapping[str, str]] = {
    "ctranslate2": {key: key for key in ("beam_size", "nbest", "mbr", "length_penalty", "max_length_ratio", "max_length_extra",
                                         "no_repeat_ngram")},
    "marian": {"beam_size": "num_beams", "nbest": "num_return_sequences", "length_penalty": "length_penalty",
               "no_repeat_ngram": "no_repeat_ngram_size"},
    "onnx": {key: key for key in DecodingConfig.model_fields if key != "max_tokens"},
}  # fmt: skip
"""For each program the fields of `decoding` that it knows, and their names there. `method` is written as a beam; see `carry`. ONNX graphs
come without a search: all settings are written, for whoever writes one."""
_SAMPLING = {key: "sampling alone uses it" for key in ("temperature", "top_k", "top_p", "seed")}
_EVERYWHERE = {
    "coverage_penalty": "translations are not ranked by how much of the source was attended to",
    "shortlist": "the whole vocabulary is used",
    "precision": "the weights' type decides (--quantization)",
    **_SAMPLING,
}
LOST: Mapping[str, Mapping[str, str]] = {
    "ctranslate2": _EVERYWHERE,
    "marian": _EVERYWHERE | {
        "mbr": "the most probable translation is taken",
        "max_length_ratio": "translations end at max_length in generation_config.json",
        "max_length_extra": "translations end at max_length in generation_config.json",
    },
    "onnx": {},
}  # fmt: skip
"""For each program the fields that it does not know, and what happens instead."""
WITHOUT_EFFECT = ("max_tokens",)
"""Fields that change no translation, only how many are searched at a time."""


@dataclass(frozen=True)
class Carried:
    """A run's decoding settings, as far as an export takes them along."""

    settings: dict[str, object]
    """By their names in `decoding`."""
    notes: list[str]
    """A sentence for each setting that is not at its default and has no counterpart."""


def carry(options: DecodingConfig, program: str) -> Carried:
    """What becomes of these settings. Greedy search is written as a beam of 1, sampling as beam search."""
    taken, lost, notes = TAKEN[program], LOST[program], []
    if "method" in taken:
        return Carried({key: getattr(options, key) for key in taken}, notes)
    if options.method == "greedy":
        options = options.model_copy(update={"beam_size": 1, "nbest": 1, "mbr": 0})
    if options.method == "sampling":
        notes.append(_note("method", options.method, program, f"the export is searched with a beam of {options.beam_size}"))
        most = options.mbr if options.mbr and "mbr" in taken else options.beam_size
        options = options.model_copy(update={"nbest": min(options.nbest, most)})
    for key, instead in lost.items():
        value = getattr(options, key)
        if value != DecodingConfig.model_fields[key].default and (key not in _SAMPLING or options.method == "sampling"):
            notes.append(_note(key, value, program, instead))
    if "mbr" not in taken and options.nbest > options.beam_size:
        options = options.model_copy(update={"nbest": options.beam_size})
    return Carried({key: getattr(options, key) for key in taken}, notes)


def _note(key: str, value: object, program: str, instead: str) -> str:
    """One setting that is lost. Booleans as YAML writes them."""
    shown = str(value).lower() if isinstance(value, bool) else value
    return f"decoding.{key}: {shown} has no counterpart in {program}: {instead}"


def exported_config(manifest: Mapping, where: str) -> Config:
    """A configuration with an export's languages and decoding settings, so that options are checked exactly as those of a run are.

    where: the manifest's file, for the message. ExportError when it has settings that no run could have.
    """
    taken = {f"decoding.{key}": value for key, value in manifest["decoding"].items() if key in TAKEN["ctranslate2"]}
    try:
        blank = Config.model_validate({"source": manifest["source"], "target": manifest["target"], "data": "copy"})
        return replace_fields(blank, taken, where)
    except ConfigError as error:
        raise ExportError(f"{error}; export the run again ('mt export RUN')") from error
    except ValueError as error:
        raise ExportError(f"{where}: its languages are damaged; export the run again ('mt export RUN')") from error
