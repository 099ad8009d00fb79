"""From labelled tasks to a released model: recipes, encoders, the training loop, runs, release.

The only room that imports PyTorch and transformers (``requirements/train.txt``).
"""
