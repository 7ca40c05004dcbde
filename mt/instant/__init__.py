"""Translating a sentence without torch: the Transformer in numpy, for what must be there at once."""
