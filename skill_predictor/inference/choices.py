"""What a user may choose from. Kept apart so that `skill-predictor --help` loads nothing heavy."""

ENGINES = ('tensorrt', 'onnxruntime')
"""Engines by name, best first. One that this version lacks is refused with the reason."""

PRECISIONS = ('int8', 'fp32')
"""In which precisions an encoder can be built for the CPU."""
