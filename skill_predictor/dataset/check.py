"""Whether a dataset is fit to train and judge by: every demand, each with what breaks it."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..taxonomy import ordered, UnknownSkillError
from .audit.records import AuditEntry
from .boundaries import BOUNDARIES
from .duplicates import closest_across
from .lines import decode, numbered_lines
from .manifest import Manifest, SPLITS, TEST, TEST_DOMAINS, TRAIN
from .records import TaskRecord
from .split import quotas, skill_set
from .statistics import words

Splits = Mapping[str, Sequence[TaskRecord]]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check : str
        Name of the check.
    problems : tuple of str
        What is wrong; empty: nothing.
    note : str
        What was measured.
    """

    check: str
    problems: tuple[str, ...]
    note: str = ''

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_order(folder: str | os.PathLike) -> Finding:
    """Labels are written in vector order, so that a diff of two labels is never about order."""
    problems = []
    for split in SPLITS:
        for _, number, raw in numbered_lines(Path(folder) / f'{split}.jsonl'):
            line = decode(raw, number)
            label = json.loads(line).get('label') if line.strip() else []
            try:
                if list(ordered(label)) != label:
                    problems.append(f'{split}.jsonl, line {number}: {label} is not in vector order')
            except UnknownSkillError:
                pass  # reading the file has complained
    return Finding('order of labels', tuple(problems))


def check_records(splits: Splits, manifest: Manifest) -> Finding:
    """Ids are unique over all splits; every task has domain, writer, a fit length, a known boundary."""
    problems = []
    seen: dict[str, str] = {}
    for split, task in _each(splits):
        if task.id in seen:
            problems.append(f'{task.id}: is in {seen[task.id]} and in {split}')
        seen[task.id] = split
        if not task.domain or not task.writer:
            problems.append(f'{task.id}: states no domain or no writer')
        if task.boundary and task.boundary not in BOUNDARIES:
            problems.append(f'{task.id}: unknown boundary {task.boundary!r}')
        low, high = manifest.requirements.min_words, manifest.requirements.max_words
        if not low <= words(task) <= high:
            problems.append(f'{task.id}: has {words(task)} words, not {low} to {high}')
    return Finding('records', tuple(problems), f'{len(seen)} tasks')


def check_reported(splits: Splits, reported: Splits) -> Finding:
    """Tasks for reporting alone are no tasks of the other splits, by id or by text.

    Parameters
    ----------
    splits
        The dataset's own.
    reported
        From :func:`skill_predictor.dataset.manifest.read_reported`.
    """
    problems = []
    ids = {task.id: split for split, task in _each(splits)}
    texts = {_plain(task): task.id for _, task in _each(splits)}
    for split, task in _each(reported):
        if task.id in ids:
            problems.append(f'{task.id}: is in {ids[task.id]} and in {split}')
        elif _plain(task) in texts:
            problems.append(f'{task.id} ({split}) has the text of {texts[_plain(task)]}')
        ids[task.id] = split
        texts.setdefault(_plain(task), task.id)
    return Finding('tasks for reporting alone', tuple(problems), ', '.join(
        f'{name} {len(tasks)}' for name, tasks in reported.items()) or 'none')


def check_coverage(splits: Splits, manifest: Manifest) -> Finding:
    """There are enough tasks, domains, boundary tasks, and tasks of every skill set."""
    tasks = [task for _, task in _each(splits)]
    demands = manifest.requirements
    sets = Counter(map(skill_set, tasks))
    domains = len({task.domain for task in tasks})
    boundaries = sum(bool(task.boundary) for task in tasks)
    counted = [('tasks', len(tasks), demands.tasks), ('domains', domains, demands.domains),
               ('boundary tasks', boundaries, demands.boundary_tasks)]
    counted += [(f'tasks of {name}', sets[name], fewest)
                for name, fewest in demands.common_sets.items()]
    counted += [(f'tasks of {name}', count, demands.other_sets)
                for name, count in sets.items() if name not in demands.common_sets]
    problems = [f'{count} {what}, at least {fewest} are demanded'
                for what, count, fewest in counted if count < fewest]
    return Finding('coverage', tuple(problems), f'{len(tasks)} tasks, {domains} domains, '
                   f'{len(sets)} skill sets, {boundaries} boundary tasks')


def check_repeats(splits: Splits) -> Finding:
    """No text is there twice, but for case, punctuation and white space."""
    seen: dict[str, str] = {}
    problems = []
    for _, task in _each(splits):
        key = _plain(task)
        if key in seen:
            problems.append(f'{task.id} has the text of {seen[key]}')
        seen.setdefault(key, task.id)
    return Finding('repeated texts', tuple(problems))


def check_groups(splits: Splits) -> Finding:
    """No group straddles splits, and each has at least two tasks.

    Labels are not looked at: those of paraphrases are the same, and a contrast pair whose labels an
    audit made equal is still alike.
    """
    members: dict[str, list[tuple[str, TaskRecord]]] = defaultdict(list)
    for split, task in _each(splits):
        if task.group:
            members[task.group].append((split, task))
    problems = []
    for group, tasks in members.items():
        found = {split for split, _ in tasks}
        if len(found) > 1:
            problems.append(f'group {group} lies in {" and ".join(sorted(found))}')
        if len(tasks) < 2:
            problems.append(f'group {group} has one task only')
    return Finding('groups', tuple(problems), f'{len(members)} groups')


def check_leakage(splits: Splits, manifest: Manifest) -> Finding:
    """Held-out domains and writers are where the manifest says, and nowhere else."""
    domains, writers = set(manifest.held_out_domains), set(manifest.held_out_writers)
    problems = []
    for split, task in _each(splits):
        if (task.domain in domains) != (split == TEST_DOMAINS):
            problems.append(f'{task.id}: domain {task.domain!r} in {split}')
        elif writers and split != TEST_DOMAINS and (task.writer in writers) != (split != TRAIN):
            problems.append(f'{task.id}: writer {task.writer!r} in {split}')
    return Finding('leakage of domains and writers', tuple(problems),
                   f'{len(domains)} domains and {len(writers)} writers held out')


def check_stratification(splits: Splits, manifest: Manifest) -> Finding:
    """The test set has its size, and the shares of the labels of what it was drawn from."""
    writers = set(manifest.held_out_writers)
    pool = [task for split, task in _each(splits)
            if split != TEST_DOMAINS and (not writers or task.writer in writers)]
    wanted = quotas(Counter(map(skill_set, pool)), min(manifest.test_tasks, len(pool)))
    found = Counter(map(skill_set, splits[TEST]))
    problems = [f'{found[name]} test tasks of {name}, its share is {wanted[name]}'
                for name in sorted({*wanted, *found}) if abs(found[name] - wanted[name]) > 1]
    if len(splits[TEST]) != manifest.test_tasks:
        problems.append(f'{len(splits[TEST])} test tasks, not {manifest.test_tasks}')
    return Finding('stratification of the test set', tuple(problems),
                   f'{len(splits[TEST])} tasks of {len(found)} skill sets')


def check_similarity(splits: Splits, manifest: Manifest,
                     embed: Callable[[Sequence[str]], np.ndarray]) -> Finding:
    """No two tasks of different splits are near-duplicates.

    Parameters
    ----------
    embed
        Makes embeddings, float, shape (n, width), of texts.
    """
    limit = manifest.requirements.max_cosine
    names = [name for name, tasks in splits.items() if tasks]
    embeddings = {name: embed([task.text for task in splits[name]]) for name in names}
    problems, most = [], -1.0
    for position, first in enumerate(names):
        for second in names[position + 1:]:
            index, cosine = closest_across(embeddings[second], embeddings[first])
            most = max(most, float(cosine.max()))
            problems += [f'{splits[second][row].id} ({second}) and {splits[first][index[row]].id} '
                         f'({first}) have cosine {cosine[row]:.3f}'
                         for row in np.flatnonzero(cosine > limit)]
    return Finding('near-duplicates between splits', tuple(problems),
                   f'largest cosine {most:.3f}, at most {limit} allowed')


def check_audit(splits: Splits, audit: Sequence[AuditEntry], manifest: Manifest) -> Finding:
    """Enough was labelled twice, every disagreement is decided, and the data have what was decided."""
    entries = {entry.id: entry for entry in audit}
    problems = []
    plain = plain_audited = 0
    for _, task in _each(splits):
        entry = entries.pop(task.id, None)
        if not task.boundary:
            plain += 1
            plain_audited += entry is not None
        elif entry is None and manifest.requirements.audited_fraction:
            problems.append(f'{task.id}: tests a boundary and has no second label')
        if entry is None:
            continue
        if entry.dropped:
            problems.append(f'{task.id}: was dropped in the audit')
        elif entry.open:
            problems.append(f'{task.id}: the disagreement is not decided')
        elif entry.settled != task.label:
            problems.append(f'{task.id}: is labelled {list(task.label or ())}, decided was '
                            f'{list(entry.settled)}')
    problems += [f'{entry.id}: is in the audit only' for entry in entries.values()
                 if not entry.dropped]
    if plain and plain_audited / plain < manifest.requirements.audited_fraction:
        problems.append(f'{plain_audited} of {plain} tasks without a boundary have a second label, '
                        f'{manifest.requirements.audited_fraction:.0%} are demanded')
    return Finding('audit', tuple(problems), f'{len(audit)} tasks labelled twice, '
                   f'{sum(not entry.agreed and not entry.open for entry in audit)} disagreements '
                   'decided')


def _plain(task: TaskRecord) -> str:
    """The text without case, punctuation and repeated white space."""
    return ' '.join(''.join(char if char.isalnum() else ' ' for char in task.text.lower()).split())


def _each(splits: Splits) -> Iterator[tuple[str, TaskRecord]]:
    for name, tasks in splits.items():
        for task in tasks:
            yield name, task
