"""The smallest configuration that trains: half a second for ten updates."""

from mt.config import Config
from mt.config_file import load_config

SETTINGS = (
    "name=tiny",
    "model.d_model=16",
    "model.num_heads=2",
    "model.d_ff=16",
    "model.dropout=0.1",
    "data.test=[]",
    "training.max_steps=10",
    "training.max_tokens=500",
    "training.warmup_steps=5",
    "training.validate_every=5",
    "training.save_every=5",
    "training.log_every=2",
    "training.validate_sentences=3",
    "training.precision=fp32",
    "training.device=cpu",
    "training.threads=1",
    "decoding.max_length_extra=2",
)
"""What makes the copy task tiny. Dropout is on and label smoothing off; one layer each comes from the file."""


def tiny_config(*overrides: str) -> Config:
    """The built-in copy corpus with a model of a few thousand weights; overrides as `mt train --set` takes them."""
    return load_config("copy", [*SETTINGS, *overrides])
