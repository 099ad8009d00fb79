"""``python -m skill_predictor`` is the same as ``skill-predictor``."""

import sys

from .cli import main

if __name__ == '__main__':
    sys.exit(main())
