"""Search for translations through the model interface. `search.py` is the entry; this file re-exports nothing."""
