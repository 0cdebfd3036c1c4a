"""The stand-in of Facebook's Marketing API: custom audiences."""
