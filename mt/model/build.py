"""From a configuration to a model: one line per architecture."""

from torch import nn

from mt.config import ModelConfig
from mt.model.dropout import hide_from_compiler
from mt.model.interface import TranslationModel
from mt.model.recurrent import Recurrent
from mt.model.transformer import Transformer


def build_model(config: ModelConfig, source_vocab: int, target_vocab: int) -> TranslationModel:
    """A freshly initialised model; vocabulary sizes in tokens. Draws from torch's global generator."""
    architectures = {"transformer": Transformer, "rnn": Recurrent, "rnn-attention": Recurrent}
    return architectures[config.architecture](config, source_vocab, target_vocab)


def compile_layers(model: TranslationModel) -> None:
    """Compile every layer in place (torch.compile), for sentences of any length; names and weights stay as they are."""
    hide_from_compiler()
    for stack in model.children():
        if isinstance(stack, nn.ModuleList):
            for layer in stack:
                layer.compile(dynamic=True)


def count_parameters(model: TranslationModel) -> int:
    """Trained numbers; tied weights count once."""
    return sum(parameter.numel() for parameter in model.parameters())
