"""Parameters of the predictor node (``config/predictor.yaml`` shows them all)."""

from __future__ import annotations

from .. import taxonomy
from ..inference.choices import ENGINES, MAX_THREADS, PRECISIONS
from ..inference.locations import DEFAULT_MODEL
from ..inference.text import DEFAULT_MAX_LENGTH
from .parameters import Settings

FIXED_WHILE_CONFIGURED = frozenset({
    'model', 'backend', 'precision', 'fallback', 'encoders_folder', 'offline', 'task_topics',
    'text_topics', 'max_batch', 'queue_size', 'max_text_length', 'correct_spelling',
    'threads', 'history_depth'})
"""Read when the node is configured, so they can be set only while it is unconfigured."""


def declare_parameters(settings: Settings) -> None:
    """Declare all parameters with their descriptors."""
    declare = settings.declare
    declare('model', '', 'Released model: a folder, or the name of one that is installed.',
            constraints=f'empty: {DEFAULT_MODEL}')
    declare('backend', 'auto', 'Engine that runs the encoders.',
            constraints=f'auto (the best that loads), {", ".join(ENGINES)}')
    declare('precision', 'auto', 'What the engine computes in.',
            constraints=f'{", ".join(PRECISIONS)}; auto: int8 on the CPU, fp16 on a GPU')
    declare('fallback', True, 'Go on with the CPU when the GPU fails while the node runs.')
    declare('encoders_folder', '', 'Folder with the published encoders\' weights.',
            constraints='empty: the usual caches, then download')
    declare('offline', False, 'Never download weights.')
    declare('task_topics', ['tasks'],
            'Topics of skill_predictor/TaskDescription to subscribe to.',
            constraints="[''] for none")
    declare('text_topics', ['task_text'], 'Topics of std_msgs/String to subscribe to.',
            constraints="[''] for none")
    for skill in taxonomy.SKILLS:
        declare(f'thresholds.{skill}', 0.0,
                f'{skill} is required from this probability on; can change while running.',
                between=(0.0, 1.0), constraints="0: the model's own threshold")
    declare('max_batch', 32, 'Most tasks that go through the encoders together.',
            between=(1, 1024))
    declare('queue_size', 1024, 'Most tasks that may wait; more are refused.',
            between=(1, 1_000_000))
    declare('max_text_length', DEFAULT_MAX_LENGTH, 'Most characters of a task\'s text.',
            between=(1, 100_000))
    declare('correct_spelling', True, 'Read mistyped words as they were meant (logged at level debug).')
    declare('threads', 0, 'CPU threads of the engine; 0: one per core.', between=(0, MAX_THREADS))
    declare('history_depth', 1000,
            'Skill vectors kept for subscribers that join later, and room for a burst.',
            between=(1, 100_000))
    declare('diagnostics_period_s', 1.0, 'Time between two diagnostics [s].',
            between=(0.05, 3600.0), read_only=True)
