"""The special token ids: the one place where they stand.

The tokenizer is trained with these ids, the batches are padded with PAD, the decoder starts from BOS (the token that
`shift_right` puts first) and every sentence ends with EOS.
"""

PAD = 0
"""Fills a batch's shorter sentences; masked in attention, ignored by the loss."""

UNK = 1
"""A piece the vocabulary does not know. With byte fallback it never occurs."""

BOS = 2
"""The decoder's first input."""

EOS = 3
"""Ends every source and every target sentence."""

SPECIAL_IDS = (PAD, UNK, BOS, EOS)
"""All of them, in the order of their ids."""
