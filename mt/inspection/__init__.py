"""Looking inside: shapes. This file re-exports nothing."""
