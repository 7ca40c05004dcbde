"""From a configuration to a model: one line per architecture."""

from mt.config import ModelConfig
from mt.model.interface import TranslationModel
from mt.model.transformer import Transformer


def build_model(config: ModelConfig, source_vocab: int, target_vocab: int) -> TranslationModel:
    """A freshly initialised model; vocabulary sizes in tokens. Draws from torch's global generator."""
    architectures = {"transformer": Transformer}
    return architectures[config.architecture](config, source_vocab, target_vocab)


def count_parameters(model: TranslationModel) -> int:
    """Trained numbers; tied weights count once."""
    return sum(parameter.numel() for parameter in model.parameters())
