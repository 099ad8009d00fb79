"""Parameters of the bag evaluator node; most are options of ``skill-predictor bag evaluate``, too."""

from __future__ import annotations

from ..inference.text import DEFAULT_MAX_LENGTH
from .parameters import Settings


def declare_parameters(settings: Settings) -> None:
    """Declare all parameters with their descriptors."""
    declare = settings.declare
    declare('bag', '', 'Recording: folder, .mcap, .db3 or .bag.', read_only=True)
    declare('play', True, 'Publish its tasks; false: only listen while another plays them.',
            read_only=True)
    declare('rate', 1.0, 'Seconds of the recording per second; 0: as fast as answers come.',
            between=(0.0, 10_000.0), read_only=True)
    declare('most_pending', 32, 'Most tasks without an answer when rate is 0.',
            between=(1, 100_000), read_only=True)
    declare('longest_pause_s', 600.0, 'Longer pauses of the recording are shortened to this [s].',
            between=(0.0, 1e9), read_only=True)
    declare('timeout_s', 30.0, 'How long to wait for the graph, and for an answer [s].',
            between=(0.1, 3600.0), read_only=True)
    declare('max_text_length', DEFAULT_MAX_LENGTH, "Most characters of a task's text, as the predictor's.",
            between=(1, 100_000), read_only=True)
    declare('labels', '', 'JSON Lines with what is right: text and label.', read_only=True)
    declare('label_topic', '', 'Topic of the recording with what is right; empty: those called '
            'task_labels.', read_only=True)
    declare('vector_topic', '', 'Topic of the recording with what was answered; empty: that in the namespace '
            'of the tasks.', read_only=True)
    declare('text_topics', [''], 'std_msgs/String topics of the recording that carry tasks; '
            'empty: those called task_text.', read_only=True)
    declare('json', '', 'File for all figures.', read_only=True)
    declare('report', '', 'File for an HTML page with plots.', read_only=True)
