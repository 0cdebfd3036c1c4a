"""Orchestration: loads the shop's history, builds the segments, publishes them and syncs them."""
