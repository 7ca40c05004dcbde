"""Models for other programs. `export.py` is the entry; this file re-exports nothing."""
