"""The stand-in of Attentive's API, version 1."""
