"""A dataset that the small encoders learn in seconds, and settings with which they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skill_predictor.dataset.records import TaskRecord, write_tasks

SKILL_WORDS = {'fly': 'fly', 'drive': 'wheels', 'walk': 'legs', 'swim': 'surface_water',
               'dive': 'under_water', 'take': 'hands'}
SETTINGS = ('trained_layers: 2\nhead_layers: [16]\nepochs: 12\nbatch_size: 8\n'
            'encoder_rate: 3e-3\nhead_rate: 1e-2\n')


def tasks(split: str, count: int, seed: int) -> Iterator[TaskRecord]:
    """Tasks whose label is in their words."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        words = generator.choice(list(SKILL_WORDS), 2, replace=False)
        place = generator.choice(['deck', 'dock', 'roof', 'lake', 'stairs'])
        yield TaskRecord(f'{split}-{number}', f'{words[0]} to the {place} and {words[1]}',
                         tuple(SKILL_WORDS[word] for word in words))


def write_dataset(folder: Path) -> None:
    """The four splits that every dataset has."""
    for seed, (split, count) in enumerate([('train', 80), ('validation', 30), ('test', 20),
                                           ('test_domains', 20)]):
        write_tasks(tasks(split, count, seed), folder / f'{split}.jsonl')
