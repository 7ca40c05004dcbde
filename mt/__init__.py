"""mt: train, understand, measure and use encoder–decoder translation models from your own sentence pairs."""

__version__ = "0.1.0"
__all__ = ["Translator", "__version__"]


def __getattr__(name: str) -> object:
    """Load the Python API when it is first asked for, so that `import mt` and `mt --help` stay instant."""
    if name == "Translator":
        from mt.translator import Translator

        return Translator
    raise AttributeError(f"module 'mt' has no attribute '{name}'")
