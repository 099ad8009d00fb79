"""Predict which physical skills a task in plain language needs, and who in the fleet has them."""

from pkgutil import extend_path

# Python run from the repository finds this folder before the built package, which also holds the
# generated interfaces: join the two, so that `import skill_predictor.msg` works from anywhere.
__path__ = extend_path(__path__, __name__)

__version__ = '0.1.0'
