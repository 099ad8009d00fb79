"""The evaluation of a model as one HTML page that needs no other file."""
