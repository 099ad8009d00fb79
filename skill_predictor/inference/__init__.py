"""From text to skill probabilities: model store, tokeniser, graphs, backends, ensemble, batching.

Needs numpy, tokenizers and one engine; neither ROS nor PyTorch.
"""
