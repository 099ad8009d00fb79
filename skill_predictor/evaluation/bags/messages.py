"""The message types of this package for the rosbags library, from our own ``.msg`` files."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...extras import install
from ...inference.locations import shared

TASK = 'skill_predictor/msg/TaskDescription'
VECTOR = 'skill_predictor/msg/SkillVector'
ALLOCATION = 'skill_predictor/msg/TaskAllocation'
TEXT = 'std_msgs/msg/String'


def library() -> Any:
    """The rosbags package.

    Raises
    ------
    ImportError
        When it is not installed.
    """
    try:
        import rosbags.highlevel
    except ImportError as error:
        raise ImportError(f'bags need the rosbags library: {install("bags")}') from error
    return rosbags


@cache
def own_types() -> Any:
    """A typestore with the common types of ROS 2 and those of this package.

    Raises
    ------
    ImportError
        When rosbags is not installed.
    FileNotFoundError
        When the package's ``.msg`` files are not where it was installed.
    """
    library()
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores
    folder = next((folder for folder in shared('msg')
                   if (folder / 'SkillVector.msg').is_file()), None)
    if folder is None:
        raise FileNotFoundError('the .msg files of skill_predictor are missing; install the '
                                'package again')
    # All types that we refer to are the same in every release from Humble on.
    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = {}
    for path in sorted(folder.glob('*.msg')):
        types |= get_types_from_msg(path.read_text(encoding='utf-8'),
                                    f'skill_predictor/msg/{path.stem}')
    store.register(types)
    return store
