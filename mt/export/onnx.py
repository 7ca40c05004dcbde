"""A trained Transformer as two ONNX graphs: the encoder, and one step of the decoder with its caches as inputs and outputs.

    encoder.onnx   source (B, S) → source_mask (B, S), and of each decoder layer i source_keys.i and source_values.i (B, H, S, K)
    decoder.onnx   token (R), position (R), mask (R, T+1), source_mask and every source_keys.i, source_values.i (R, …), and the
                   caches keys.i, values.i (R, H, T, K) → log_probs (R, V), new_keys.i, new_values.i (R, H, T+1, K)

A row is a sentence in greedy search and a hypothesis in beam search; mask is true where a row sees a slot of its cache, its own, the last
one, included. So rows may stand at different positions, and reordering a beam is indexing every array by row. The graphs are written
operation by operation, in fp32, for opset 17. A table of sinusoids has a fixed number of rows: what is longer on a side fails there.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from torch import Tensor, nn

from mt.config import ModelConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.data.tokenizer import Tokenizer
from mt.errors import ExportError
from mt.export.onnx_model import Exported
from mt.install_hint import install_command
from mt.model.attention import HIDDEN
from mt.model.positions import sinusoidal_table
from mt.model.transformer import Residual, Transformer

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Exported", "refusal", "require", "write"]

SEARCH = "mt's own search over it"
"""What finds the translations of the check's other side."""
POSITIONS = 2048
"""Rows of the table of positions at least, where positions are sinusoidal."""
OPSET, IR = 17, 8
_LARGEST_FILE = 1_900_000_000
"""Bytes of weights beyond which they stand in a file of their own: ONNX files end at 2 GB."""


def refusal(config: ModelConfig) -> str | None:
    """Why a model of this configuration cannot become these graphs; None if it can."""
    if config.architecture != "transformer":
        return f"which requires model.architecture: transformer (this run has {config.architecture})"
    return None


def require() -> None:
    """ExportError when onnx, which writes, or onnxruntime, which the check translates with, is not installed."""
    try:
        import onnx  # noqa: F401 - only whether it is there
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ExportError(f"{error.name} is not installed; run: {install_command('onnx')}") from error


def write(model: Transformer, tokenizer: Tokenizer, folder: Path, positions: int = POSITIONS) -> None:
    """Write both graphs into a folder that exists. positions: the longest text in tokens, end included, where positions are computed."""
    import onnx

    del tokenizer  # export.py writes it
    for name, graph in (("encoder", encoder_graph(model, positions)), ("decoder", decoder_graph(model, positions))):
        large = graph.ByteSize() >= _LARGEST_FILE
        if not large:
            onnx.checker.check_model(graph, full_check=True)
        onnx.save(graph, str(folder / f"{name}.onnx"), save_as_external_data=large, location=f"{name}.weights")


class _Graph:
    """A graph that grows by one operation at a time; results are known by their names."""

    def __init__(self, model: Transformer, positions: int):
        import onnx

        self.config = model.config
        self._positions = positions
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._names: dict[tuple, str] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """An operation with one result. name: of the result, where it is an output."""
        result = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def halves(self, x: str, width: int) -> tuple[str, str]:
        """A tensor cut in two along its last dimension."""
        results = [f"half_{len(self._nodes)}_{number}" for number in (0, 1)]
        self._nodes.append(self._onnx.helper.make_node("Split", [x, self.ints(width // 2, width // 2)], results, axis=-1))
        return results[0], results[1]

    def weight(self, tensor: Tensor) -> str:
        """A tensor of the model; the same one is stored once."""
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
        if key not in self._names:
            self._names[key] = self.constant(tensor.detach().float().cpu().contiguous().numpy())
        return self._names[key]

    def constant(self, values: numpy.ndarray) -> str:
        """Numbers that stand in the file."""
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._names:
            self._names[key] = f"weight_{len(self._weights)}"
            self._weights[self._names[key]] = self._onnx.numpy_helper.from_array(values, self._names[key])
        return self._names[key]

    def ints(self, *numbers: int) -> str:
        """A vector of whole numbers."""
        return self.constant(numpy.array(numbers, dtype=numpy.int64))

    def number(self, value: float) -> str:
        """One number."""
        return self.constant(numpy.array(value, dtype=numpy.float32))

    def input(self, name: str, kind: str, shape: Sequence[str | int]) -> str:
        """Something that is given. kind: INT64, BOOL or FLOAT."""
        self.inputs.append(self._onnx.helper.make_tensor_value_info(name, getattr(self._onnx.TensorProto, kind), shape))
        return name

    def output(self, name: str, kind: str, shape: Sequence[str | int]) -> None:
        """Something that is asked for."""
        self.outputs.append(self._onnx.helper.make_tensor_value_info(name, getattr(self._onnx.TensorProto, kind), shape))

    def finished(self, name: str) -> "ModelProto":
        """The model, with what a program must know beside it in its metadata."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, self.inputs, self.outputs, list(self._weights.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="mt", ir_version=IR)
        config = self.config
        facts = {
            "pad": PAD, "bos": BOS, "eos": EOS, "decoder_layers": config.decoder_layers, "heads": config.num_heads,
            "head_width": config.d_model // config.num_heads,
        }  # fmt: skip
        helper.set_model_props(model, {"mt": json.dumps(facts)})
        return model

    # The model's parts, each the counterpart of one in mt/model.

    def linear(self, layer: nn.Module, x: str) -> str:
        """x · Wᵀ + b."""
        product = self.op("MatMul", x, self.weight(layer.weight.t()))
        return product if layer.bias is None else self.op("Add", product, self.weight(layer.bias))

    def norm(self, norm: nn.Module, x: str) -> str:
        """LayerNorm, RMSNorm, or nothing."""
        if isinstance(norm, nn.Identity):
            return x
        if isinstance(norm, nn.LayerNorm):
            return self.op("LayerNormalization", x, self.weight(norm.weight), self.weight(norm.bias), axis=-1, epsilon=norm.eps)
        mean = self.op("ReduceMean", self.op("Mul", x, x), axes=[-1], keepdims=1)
        root = self.op("Sqrt", self.op("Add", mean, self.number(norm.eps)))
        return self.op("Mul", self.op("Div", x, root), self.weight(norm.weight))

    def residual(self, residual: Residual, x: str, sublayer: Any) -> str:
        """Norm(x + f(x)), or x + f(Norm(x))."""
        if residual.pre:
            return self.op("Add", x, sublayer(self.norm(residual.norm, x)))
        return self.norm(residual.norm, self.op("Add", x, sublayer(x)))

    def feed_forward(self, layer: nn.Module, x: str) -> str:
        """Two linear maps with a non-linearity between."""
        hidden = self.linear(layer.in_proj, x)
        if layer.gate_proj is not None:
            gate = self.linear(layer.gate_proj, x)
            hidden = self.op("Mul", self.op("Mul", gate, self.op("Sigmoid", gate)), hidden)
        elif layer.activation == "relu":
            hidden = self.op("Relu", hidden)
        else:
            erf = self.op("Erf", self.op("Mul", hidden, self.number(2**-0.5)))
            hidden = self.op("Mul", self.op("Mul", hidden, self.number(0.5)), self.op("Add", erf, self.number(1.0)))
        return self.linear(layer.out_proj, hidden)

    def embed(self, embedding: nn.Embedding, positions: nn.Module, token: str, position: str) -> str:
        """Rows times √D, plus what `model.positions` adds."""
        config = self.config
        x = self.op("Mul", self.op("Gather", self.weight(embedding.weight), token, axis=0), self.number(math.sqrt(config.d_model)))
        if config.positions == "sinusoidal":
            table = self.constant(sinusoidal_table(self._positions, config.d_model).numpy())
        elif config.positions == "learned":
            table = self.weight(positions.embedding.weight)
            position = self.op("Min", position, self.constant(numpy.array(positions.embedding.num_embeddings - 1, dtype=numpy.int64)))
        else:
            return x
        return self.op("Add", x, self.op("Gather", table, position, axis=0))

    def heads(self, x_BTD: str) -> str:
        """(B, T, D) → (B, H, T, K)."""
        config = self.config
        split = self.op("Reshape", x_BTD, self.ints(0, 0, config.num_heads, config.d_model // config.num_heads))
        return self.op("Transpose", split, perm=[0, 2, 1, 3])

    def turned(self, attention: nn.Module, x_BHTK: str, position: str) -> str:
        """Rotary positions. position: of shape (T, 1) or (R, 1, 1, 1)."""
        if attention.rotary is None:
            return x_BHTK
        angle = self.op("Mul", self.op("Cast", position, to=self._onnx.TensorProto.FLOAT), self.weight(attention.rotary.rate_J))
        cos, sin = self.op("Cos", angle), self.op("Sin", angle)
        left, right = self.halves(x_BHTK, self.config.d_model // self.config.num_heads)
        first = self.op("Sub", self.op("Mul", left, cos), self.op("Mul", right, sin))
        second = self.op("Add", self.op("Mul", right, cos), self.op("Mul", left, sin))
        return self.op("Concat", first, second, axis=-1)

    def look(self, attention: nn.Module, q: str, k: str, v: str, bias: str) -> str:
        """softmax(Q Kᵀ / √K + bias) V, heads merged, projected."""
        q = self.op("Mul", q, self.number((self.config.d_model // self.config.num_heads) ** -0.5))
        scores = self.op("Add", self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2])), bias)
        context = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        merged = self.op("Reshape", self.op("Transpose", context, perm=[0, 2, 1, 3]), self.ints(0, 0, self.config.d_model))
        return self.linear(attention.out_proj, merged)

    def bias(self, mask: str) -> str:
        """(B, M) of truth values as (B, 1, 1, M) of numbers that are added to the scores."""
        numbers = self.op("Where", mask, self.number(0.0), self.number(HIDDEN))
        return self.op("Unsqueeze", numbers, self.ints(1, 2))


def encoder_graph(model: Transformer, positions: int = POSITIONS) -> "ModelProto":
    """Source tokens to the keys and values that each decoder layer's cross-attention asks."""
    graph = _Graph(model, positions)
    config = model.config
    source = graph.input("source", "INT64", ["B", "S"])
    mask = graph.op("Not", graph.op("Equal", source, graph.constant(numpy.array(PAD, dtype=numpy.int64))), name="source_mask")
    graph.output("source_mask", "BOOL", ["B", "S"])
    length = graph.op("Squeeze", graph.op("Slice", graph.op("Shape", source), graph.ints(1), graph.ints(2)), graph.ints(0))
    zero, one = (graph.constant(numpy.array(number, dtype=numpy.int64)) for number in (0, 1))
    position_S = graph.op("Range", zero, length, one)
    position_S1 = graph.op("Unsqueeze", position_S, graph.ints(1))
    bias = graph.bias(mask)
    x = graph.embed(model.source_embedding, model.positions, source, position_S)
    for layer in model.encoder:
        attention = layer.self_attention

        def look(read: str, attention: nn.Module = attention) -> str:
            q, k, v = (graph.heads(graph.linear(projection, read)) for projection in (attention.q_proj, attention.k_proj, attention.v_proj))
            return graph.look(attention, graph.turned(attention, q, position_S1), graph.turned(attention, k, position_S1), v, bias)

        x = graph.residual(layer.self_attention_residual, x, look)
        x = graph.residual(layer.feed_forward_residual, x, lambda read, layer=layer: graph.feed_forward(layer.feed_forward, read))
    memory = graph.norm(model.encoder_norm, x)
    for number, layer in enumerate(model.decoder):
        for kind, projection in (("keys", layer.cross_attention.k_proj), ("values", layer.cross_attention.v_proj)):
            name = f"source_{kind}.{number}"
            graph.op("Identity", graph.heads(graph.linear(projection, memory)), name=name)
            graph.output(name, "FLOAT", ["B", config.num_heads, "S", config.d_model // config.num_heads])
    return graph.finished("encoder")


def decoder_graph(model: Transformer, positions: int = POSITIONS) -> "ModelProto":
    """One token of every row to the log-probabilities of the next, and longer caches."""
    graph = _Graph(model, positions)
    config = model.config
    heads, width = config.num_heads, config.d_model // config.num_heads
    token, position = (graph.input(name, "INT64", ["R"]) for name in ("token", "position"))
    bias, cross_bias = (
        graph.bias(graph.input(name, "BOOL", ["R", length])) for name, length in (("mask", "T_and_1"), ("source_mask", "S"))
    )
    position_R111 = graph.op("Unsqueeze", position, graph.ints(1, 2, 3))
    x = graph.embed(model.target_embedding, model.positions, token, position)
    x = graph.op("Unsqueeze", x, graph.ints(1))
    for number, layer in enumerate(model.decoder):
        source = [graph.input(f"source_{kind}.{number}", "FLOAT", ["R", heads, "S", width]) for kind in ("keys", "values")]
        past = [graph.input(f"{kind}.{number}", "FLOAT", ["R", heads, "T", width]) for kind in ("keys", "values")]

        def ask_past(read: str, layer: nn.Module = layer, past: Sequence[str] = past, number: int = number) -> str:
            attention = layer.self_attention
            q, k, v = (graph.heads(graph.linear(projection, read)) for projection in (attention.q_proj, attention.k_proj, attention.v_proj))
            q, k = (graph.turned(attention, each, position_R111) for each in (q, k))
            both = [
                graph.op("Concat", old, new, axis=2, name=f"new_{kind}.{number}")
                for old, new, kind in zip(past, (k, v), ("keys", "values"), strict=True)
            ]
            return graph.look(attention, q, *both, bias)

        def ask_source(read: str, layer: nn.Module = layer, source: Sequence[str] = source) -> str:
            attention = layer.cross_attention
            return graph.look(attention, graph.heads(graph.linear(attention.q_proj, read)), *source, cross_bias)

        x = graph.residual(layer.self_attention_residual, x, ask_past)
        x = graph.residual(layer.cross_attention_residual, x, ask_source)
        x = graph.residual(layer.feed_forward_residual, x, lambda read, layer=layer: graph.feed_forward(layer.feed_forward, read))
    x_RD = graph.op("Squeeze", graph.norm(model.decoder_norm, x), graph.ints(1))
    logits = graph.op("Gemm", x_RD, graph.weight(model.output_weight_VD), transB=1)
    graph.op("LogSoftmax", logits, name="log_probs", axis=-1)
    graph.output("log_probs", "FLOAT", ["R", len(model.output_weight_VD)])
    for number in range(config.decoder_layers):
        for kind in ("keys", "values"):
            graph.output(f"new_{kind}.{number}", "FLOAT", ["R", heads, "T_and_1", width])
    return graph.finished("decoder")
