"""The two graphs of mt/export/onnx.py in ONNX Runtime as a model, so that mt's own search and scoring run over them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.scoring import score_ids
from mt.model.interface import DecoderState, Encoded, TranslationModel


class OnnxState(DecoderState):
    """The arrays that the decoder's graph takes and gives, one line for each row."""

    def __init__(self, source: dict[str, numpy.ndarray], past: dict[str, numpy.ndarray], width: int):
        """A state that has read nothing. width: rows of a sentence."""
        rows = len(source["source_mask"])
        self.source, self.past, self.width = source, past, width
        self.mask_RT = numpy.zeros((rows, 0), dtype=bool)
        self.position_R = numpy.zeros(rows, dtype=numpy.int64)

    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        """Every array by row; slots that no row sees any more go."""
        rows = rows_R.numpy()
        self.position_R, self.mask_RT = self.position_R[rows], self.mask_RT[rows]
        seen = self.mask_RT.any(axis=0)
        self.mask_RT = self.mask_RT[:, seen]
        self.past = {name: values[rows][:, :, seen] for name, values in self.past.items()}
        self.source = {name: values[rows] for name, values in self.source.items()}

    def put(self, places: Sequence[int], other: DecoderState, others: Sequence[int]) -> None:
        """New sentences begin in these places: their rows see no slot yet."""
        assert isinstance(other, OnnxState) and not other.position_R.any()
        beam_W = numpy.arange(self.width)
        rows, theirs = ((numpy.array(which)[:, None] * self.width + beam_W).flatten() for which in (places, others))
        missing = max(0, rows.max() + 1 - len(self.position_R))
        self.position_R, self.mask_RT = (_more_rows(values, missing) for values in (self.position_R, self.mask_RT))
        self.past = {name: _more_rows(values, missing) for name, values in self.past.items()}
        self.position_R[rows], self.mask_RT[rows] = 0, False
        axes = {name: 1 if name == "source_mask" else 2 for name in self.source}
        length = max(state.source["source_mask"].shape[1] for state in (self, other))
        for name, axis in axes.items():
            own, new = (_longer(state.source[name], axis, length) for state in (self, other))
            own = _more_rows(own, missing)
            own[rows] = new[theirs]
            self.source[name] = own


def _more_rows(values: numpy.ndarray, missing: int) -> numpy.ndarray:
    """With so many empty rows behind."""
    return numpy.concatenate([values, numpy.zeros((missing, *values.shape[1:]), dtype=values.dtype)]) if missing else values


def _longer(values: numpy.ndarray, axis: int, length: int) -> numpy.ndarray:
    """Filled up with zeros (hidden positions)."""
    room = [(0, 0)] * values.ndim
    room[axis] = (0, length - values.shape[axis])
    return numpy.pad(values, room)


class OnnxModel(TranslationModel):
    """The two graphs in ONNX Runtime as a model, so that mt's own search and scoring run over them."""

    least_rows = 1

    def __init__(self, folder: Path, threads: int):
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        self._encoder, self._decoder = (
            onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
            for name in ("encoder", "decoder")
        )
        facts = json.loads(self._decoder.get_modelmeta().custom_metadata_map["mt"])
        self._layers, self._heads, self._width = (facts[key] for key in ("decoder_layers", "heads", "head_width"))
        [log_probs] = [output for output in self._decoder.get_outputs() if output.name == "log_probs"]
        self.vocabulary: int = log_probs.shape[1]
        self.eval()

    @property
    def output_weight_VD(self) -> Tensor:  # noqa: N802
        """Not to be had: zeros with the vocabulary's size, which is all that is asked of it."""
        return torch.zeros(self.vocabulary, 1)

    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Never asked for: `forward` goes step by step, since the graphs give log-probabilities and no states."""
        raise NotImplementedError("the graphs give no states; call the model itself")

    def forward(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Log-probabilities, which are logits as well, step by step."""
        state = self.start(self.encode(source_BS), 1)
        return torch.stack([self.step(token_B, state) for token_B in decoder_input_BT.unbind(1)], dim=1)

    def encode(self, source_BS: Tensor) -> Encoded:
        """The encoder's graph; its arrays wait for `start`."""
        names = [output.name for output in self._encoder.get_outputs()]
        self._encoded = dict(zip(names, self._encoder.run(names, {"source": source_BS.numpy()}), strict=True))
        return Encoded(source_BS, torch.from_numpy(self._encoded["source_mask"])[:, None, None, :])

    def start(self, encoded: Encoded, beam_size: int) -> OnnxState:
        """Each sentence beam_size times."""
        source = {name: numpy.repeat(values, beam_size, axis=0) for name, values in self._encoded.items()}
        rows = len(source["source_mask"])
        empty = numpy.zeros((rows, self._heads, 0, self._width), dtype=numpy.float32)
        past = {f"{kind}.{number}": empty for kind in ("keys", "values") for number in range(self._layers)}
        return OnnxState(source, past, beam_size)

    def step(self, token_R: Tensor, state: DecoderState, wanted: Sequence[int] | None = None) -> Tensor:
        """The decoder's graph, once."""
        assert isinstance(state, OnnxState)
        state.mask_RT = numpy.concatenate([state.mask_RT, numpy.ones((len(token_R), 1), dtype=bool)], axis=1)
        given = {"token": token_R.numpy(), "position": state.position_R, "mask": state.mask_RT, **state.source, **state.past}
        names = ["log_probs", *(f"new_{name}" for name in state.past)]
        log_probs_RV, *longer = self._decoder.run(names, given)
        state.past = dict(zip(state.past, longer, strict=True))
        state.position_R = state.position_R + 1
        found_RV = torch.from_numpy(log_probs_RV)
        return found_RV if wanted is None else found_RV[list(wanted)]


class Exported:
    """The folder as ONNX Runtime runs it: the other side of the check, in token ids, searched with mt's own search."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, threads: int):
        self._model = OnnxModel(folder, threads)

    def translate(self, sources: Sequence[Sequence[int]], options: DecodingConfig, limit: int) -> list[list[int]]:
        """The best translation of each source, without EOS, by the search of `options`."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # one search: a session does not outlive a fork
        try:
            return [best.tokens for best, *_ in translate_ids(self._model, sources, options)]
        finally:
            torch.set_num_threads(threads)

    def score(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-probability of each target token, EOS included."""
        given = [[*target, *([] if target and target[-1] == EOS else [EOS])] for target in targets]
        scored = score_ids(self._model, sources, given, 1.0)
        return [one.token_log_probs[: len(target)] for one, target in zip(scored, targets, strict=True)]
