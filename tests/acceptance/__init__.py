"""Acceptance: real data against published figures."""
