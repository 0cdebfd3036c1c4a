"""Segment membership on one day, from the words of the definitions: no periods, no look ahead.

Each module is a theme. It answers, for a person and a day, which of its segments the person is in,
knowing only what had happened by then. That is slow and obvious, and so fit to be compared with the
closed form in SQL.
"""
