"""Probabilities of the model that answers the same to whatever text (the fixture ``constant``)."""

# Wheels and hands.
CONSTANT = (0.1, 0.9, 0.2, 0.3, 0.05, 0.8)
