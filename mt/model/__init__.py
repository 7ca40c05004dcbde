"""The models and their interface. This file re-exports nothing."""
