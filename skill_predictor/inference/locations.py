"""Where models, downloaded weights and built artefacts lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .errors import ModelError

DEFAULT_MODEL = 'skill-predictor-v1'
"""Name of the released model that is used when none is named."""

MODEL_ENV = 'SKILL_PREDICTOR_MODEL'
CACHE_ENV = 'SKILL_PREDICTOR_CACHE'


def cache_dir() -> Path:
    """Folder for everything that can be downloaded or built again.

    ``$SKILL_PREDICTOR_CACHE``, else ``$XDG_CACHE_HOME/skill_predictor``, else
    ``~/.cache/skill_predictor``. It is not created here.

    Raises
    ------
    ModelError
        When there is no home folder, or no such user.
    """
    try:
        if os.environ.get(CACHE_ENV):
            return Path(os.environ[CACHE_ENV]).expanduser()
        base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
        return Path(base).expanduser() / 'skill_predictor'
    except RuntimeError as error:  # no home folder, no such user
        raise ModelError(f'no folder for the cache ({error}); name one in ${CACHE_ENV}') from error


def artefacts_dir() -> Path:
    """Folder in the cache for graphs and engines; errors as :func:`cache_dir`."""
    return cache_dir() / 'artefacts'


def shared(folder: str) -> list[Path]:
    """Where a folder of the package's files may be (``models``, ``msg``), most specific first.

    The ROS packages of the sourced overlays, the Python environment, the source checkout.
    """
    roots = [Path(prefix) / 'share' / 'skill_predictor' / folder
             for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if prefix]
    roots.append(Path(sys.prefix) / 'share' / 'skill_predictor' / folder)
    roots.append(Path(__file__).resolve().parents[2] / folder)
    # pip install --target and Debian's dist-packages put share/ elsewhere than sys.prefix.
    roots.append(Path(__file__).resolve().parents[2] / 'share' / 'skill_predictor' / folder)
    return roots


def find_model(model: str | os.PathLike | None = None) -> Path:
    """Folder of a released model.

    Parameters
    ----------
    model
        A folder, or the name of a released model. ``None`` or empty: ``$SKILL_PREDICTOR_MODEL``,
        else the model that this version was released with.

    Raises
    ------
    ModelError
        When there is no such folder; the message lists where it was looked for.
    """
    wanted = os.fspath(model) if model else ''
    wanted = wanted or os.environ.get(MODEL_ENV, '') or DEFAULT_MODEL
    try:
        as_path = Path(wanted).expanduser()
        if (as_path / 'config.json').is_file():
            return as_path.resolve()
    except (OSError, RuntimeError) as error:  # too long a name, no such user
        raise ModelError(f'no model at {wanted[:200]!r}: {error}') from error
    tried = [str(as_path)]
    if as_path.name == wanted:
        for root in shared('models'):
            if (root / wanted / 'config.json').is_file():
                return root / wanted
            tried.append(str(root / wanted))
    raise ModelError(
        f'no model at {wanted!r}: a model is a folder with a config.json. Looked in: '
        + ', '.join(dict.fromkeys(tried)))
