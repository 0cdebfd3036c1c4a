"""The assets of the daily job, one module per step: load → transform → publish → syncs."""
