"""Corpora, tokenizers and batches. This file re-exports nothing."""
