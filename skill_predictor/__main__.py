"""``python -m skill_predictor`` is the same as ``skill-predictor``."""

import sys

if __name__ == '__main__':
    try:
        from .cli import main
        code = main()
    except KeyboardInterrupt:  # while it was loaded
        code = 130
    sys.exit(code)
