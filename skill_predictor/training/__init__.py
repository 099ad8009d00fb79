"""From labelled tasks to a released model: embeddings, heads, figures, release.

The only room that imports PyTorch and transformers (``pip install 'skill-predictor[train]'``).
"""
