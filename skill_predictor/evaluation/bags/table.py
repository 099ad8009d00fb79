"""The outcome of an evaluation of bags as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .replayed import in_words

LONGEST_ID, LONGEST_TEXT = 80, 1000
"""Most characters that are shown of ids and texts, which are anybody's."""


def table(result: dict[str, Any], found, verdict, shown: int) -> str:
    """Figures, the first changed decisions, and the gate's verdict, as lines fit for a terminal."""
    figures = result['figures']
    lines = [f'{figures["tasks"]:,} tasks of {", ".join(result["bags"])}, {result["model"]}']
    lines += [f'  {figures[key]:,} {text}' for key, text in (
        ('unreadable', 'have no vector'),
        ('duplicates', 'repeat an id, and are left out'),
        ('vectors_without_task', 'recorded vectors belong to no recorded task')) if figures[key]]
    if result.get('live'):
        lines += _live(result['live'])
    if figures['accuracy']:
        lines.append(_accuracy('exact match now', figures['accuracy']))
    for key, name in (('recorded', 'recorded'), ('other', result['against'])):
        part = figures[key]
        if part:
            lines.append(f'{name}: {part["changed"]:,} of {part["tasks"]:,} decisions differ '
                         f'(agreement {part["agreement"]:.4f})')
            if part['accuracy']:
                lines.append(_accuracy(f'  exact match {name}', part['accuracy']))
            if part['mcnemar']:
                test = part['mcnemar']
                lines.append(f'  right only there {test["only_first"]}, only now '
                             f'{test["only_second"]}, McNemar p {test["p_value"]:.2g}')
    for key, name in (('now', 'latency now'), ('recorded', 'latency recorded')):
        part = figures['latency_ms'][key]
        if part:
            lines.append(f'{name}: p50 {part["p50"]:.1f}, p90 {part["p90"]:.1f}, '
                         f'p99 {part["p99"]:.1f} ms')
    lines += _changes('recorded', found.changes, figures['recorded'], shown)
    lines += _changes(result['against'], found.other_changes, figures['other'], shown)
    if result['fleet']:
        lines += ['', *_fleet(result['fleet'], shown)]
    if verdict is not None:
        lines += ['', *gate(verdict, shown)]
    return '\n'.join(map(printable, lines))


def printable(text: str, most: int | None = None) -> str:
    """A text as a terminal may show it: nothing in it moves the cursor.

    Parameters
    ----------
    text
        Anybody's.
    most
        Most characters; ``None``: as many as there are.
    """
    short = text if most is None or len(text) <= most else f'{text[:most - 3]}...'
    return ''.join(char if char.isprintable() else ' ' for char in short)


def _listed(ids: Sequence[str]) -> str:
    return ', '.join(printable(one, LONGEST_ID) for one in ids)


def _live(live: dict[str, Any]) -> list[str]:
    lines = [f'{live["answered_once"]:,} of {live["asked"]:,} played tasks were answered once, in '
             f'{live["seconds"]:.1f} s']
    for key, text in (('unanswered', 'were not answered'),
                      ('answered_too_often', 'were answered more than once')):
        if live[key]:
            lines.append(f'  {live[key]:,} {text}: {_listed(live[f"{key}_ids"][:10])}')
    if live.get('not_heard'):
        lines.append(f'  {live["not_heard"]:,} of the recording were not heard')
    if live['unreadable']:
        lines.append(f'  {live["unreadable"]:,} have no readable text')
    part = live['allocations']
    if part:
        outcomes = ', '.join(f'{count:,} {status.replace("_", " ")}'
                             for status, count in sorted(part['outcomes'].items()))
        lines.append(f'allocations: {outcomes}; p50 {part["milliseconds"]["p50"]:.1f} ms after '
                     'asking')
        if part['recorded_too']:
            lines.append(f'  the same robots as recorded: {part["same_robots"]:,} of '
                         f'{part["recorded_too"]:,}')
    return lines


def _accuracy(name: str, part: dict[str, Any]) -> str:
    interval = part['exact_match_95']
    return (f'{name}: {part["exact_match"]:.4f} ({interval["low"]:.4f} to {interval["high"]:.4f}) '
            f'of {part["tasks"]:,} labelled, macro F1 {part["macro_f1"]:.4f}')


def _changes(name: str, changes: Sequence, part: dict[str, Any] | None, shown: int) -> list[str]:
    lines = [''] if changes else []
    for change in changes[:shown]:
        right = '' if change.label is None else f'; right: {in_words(change.label)}'
        lines += [f'  {printable(change.text, LONGEST_TEXT)}',
                  f'    {name}: {in_words(change.before)}; now: {in_words(change.now)}{right}']
    if part and part['changed'] > shown:
        where = '--report' if part['changed'] == len(changes) else f'--report: {len(changes):,}, --json: all'
        lines.append(f'  ... and {part["changed"] - shown:,} more ({where})')
    return lines


def _fleet(fleet: dict[str, Any], shown: int) -> list[str]:
    lines = []
    for key, name in (('before', f'fleet, {fleet.get("before_is")}'), ('now', 'fleet now')):
        part = fleet[key]
        if part:
            outcomes = ', '.join(f'{count:,} {status.replace("_", " ")}'
                                 for status, count in sorted(part['outcomes'].items()))
            waiting = part['waiting_s']
            lines.append(f'{name}: {part["served"]:,} served ({outcomes}); waiting '
                         f'{waiting["mean"]:.0f} s on average, p90 {waiting["p90"]:.0f}')
    if fleet['really'] and fleet['really']['tasks']:
        lines.append('  the robots that the tasks were really given to, where that was recorded: '
                     f'{fleet["really"]["same_robots"]:,} of {fleet["really"]["tasks"]:,}')
    if fleet['left_out']:
        lines.append(f'  {fleet["left_out"]:,} tasks lack one of the two vectors, and are left out')
    changed = fleet['differences']
    if fleet['before']:
        lines.append(f'{len(changed):,} tasks go to others')
    for one in changed[:shown]:
        lines += [f'  {printable(one["text"], LONGEST_TEXT)}', f'    before: {one["before"]}; now: {one["now"]}']
    if len(changed) > shown:
        lines.append(f'  ... and {len(changed) - shown:,} more (--json)')
    return lines


def gate(verdict, shown: int) -> list[str]:
    """The gate's verdict, with the first tasks that got worse, as lines."""
    what = 'exact match is lower by' if verdict.labelled else 'share of changed decisions:'
    state = 'passed' if verdict.passed else 'FAILED'
    lines = [f'gate {state}: {what} {verdict.drop:.4f} over {verdict.compared:,} tasks; '
             f'{verdict.changed:,} decisions changed']
    if verdict.missing:
        lines.append(f'  {verdict.missing:,} tasks of the baseline are missing, or have another text, or no '
                     'label any more')
    if verdict.worse and not verdict.passed:
        names = _listed(verdict.worse[:shown])
        more = len(verdict.worse) - shown
        lines.append(f'  worse: {names}' + (f' and {more:,} more' if more > 0 else ''))
    return lines
