"""From a configuration to a finished run. This file re-exports nothing."""
