"""Tests of the whole product; the folders say what they need to run."""
