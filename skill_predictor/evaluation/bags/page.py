"""The evaluation of bags as one HTML page that needs no other file."""

from __future__ import annotations

from typing import Any

from ..pages import render
from ..report import plots
from .gate import Verdict
from .replayed import Change, in_words, Replayed


def page(result: dict[str, Any], found: Replayed, verdict: Verdict | None = None) -> str:
    """The page.

    Parameters
    ----------
    result
        As ``skill-predictor bag evaluate --json`` writes it.
    found
        What it was made of; its changes are listed in words.
    verdict
        Of the regression gate, where there was one.

    Raises
    ------
    ImportError
        When jinja2 or matplotlib is not installed.
    """
    figures = result['figures']
    return render(
        'bags.html', title=f'{result["model"]}: {", ".join(result["bags"])}',
        about=[('model', result['model']), ('engine', result['engine']),
               *([('compared with', result['against'])] if result['against'] else [])],
        troubles=result['troubles'], verdict=verdict,
        figures=[*_live(result.get('live')), *_figures(figures)],
        plots=_plots(figures, found), fleet=_fleet(result.get('fleet')),
        changes=[{'name': name, 'rows': [_row(change) for change in changes],
                  'all': figures[key]['changed']}
                 for name, key, changes in (
                     ('what was recorded', 'recorded', found.changes),
                     (result['against'], 'other', found.other_changes)) if changes])


def _live(live: dict[str, Any] | None) -> list[tuple[str, str]]:
    if not live:
        return []
    found = [('tasks played', f'{live["asked"]:,} in {live["seconds"]:.1f} s'),
             ('answered once', f'{live["answered_once"]:,}'),
             *([('not heard', f'{live["not_heard"]:,}')] if live.get('not_heard') else []),
             ('not answered', ', '.join([f'{live["unanswered"]:,}', *live['unanswered_ids']])),
             ('answered more than once',
              ', '.join([f'{live["answered_too_often"]:,}', *live['answered_too_often_ids']]))]
    part = live['allocations']
    if part:
        found += [(f'allocated: {status.replace("_", " ")}', f'{count:,}')
                  for status, count in sorted(part['outcomes'].items())]
        if part['recorded_too']:
            found.append(('the same robots as recorded',
                          f'{part["same_robots"]:,} of {part["recorded_too"]:,}'))
    return found


def _figures(figures: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(name, f'{figures[key]:,}') for key, name in (
        ('tasks', 'tasks'), ('unreadable', 'tasks without a vector'),
        ('duplicates', 'repeated ids, left out'),
        ('vectors_without_task', 'recorded vectors without a task'))]
    rows += _accuracy('now', figures['accuracy'])
    for key, name in (('recorded', 'recorded'), ('other', 'other model')):
        part = figures[key]
        if part:
            rows.append((f'decisions that differ, {name}',
                         f'{part["changed"]:,} of {part["tasks"]:,}'))
            rows += _accuracy(name, part['accuracy'])
            if part['mcnemar']:
                rows.append((f'McNemar, {name} against now', f'p {part["mcnemar"]["p_value"]:.2g}'))
    for key in ('now', 'recorded'):
        part = figures['latency_ms'][key]
        if part:
            rows.append((f'latency {key}', f'p50 {part["p50"]:.1f} ms, p90 {part["p90"]:.1f}, '
                                           f'p99 {part["p99"]:.1f}'))
    return rows


def _accuracy(name: str, part: dict[str, Any] | None) -> list[tuple[str, str]]:
    if not part:
        return []
    interval = part['exact_match_95']
    return [(f'exact match {name}', f'{part["exact_match"]:.4f} ({interval["low"]:.4f} to '
                                    f'{interval["high"]:.4f}), {part["tasks"]:,} labelled tasks'),
            (f'macro F1 {name}', f'{part["macro_f1"]:.4f}')]


def _fleet(fleet: dict[str, Any] | None) -> dict[str, Any] | None:
    if not fleet:
        return None
    robots = sorted({robot for key in ('before', 'now') if fleet[key]
                     for robot in fleet[key]['robots']})
    columns = [(name, fleet[key]) for key, name in (('before', fleet['before_is']), ('now', 'now'))
               if fleet[key]]
    idle = {'tasks': 0, 'busy_s': 0.0}
    rows = [('served', [f'{part["served"]:,}' for _, part in columns]),
            ('waiting, mean', [f'{part["waiting_s"]["mean"]:.0f} s' for _, part in columns]),
            ('waiting, p90', [f'{part["waiting_s"]["p90"]:.0f} s' for _, part in columns])]
    rows += [(robot, [f'{load["tasks"]} tasks, {load["busy_s"] / 60:.0f} min' for load in (
        part['robots'].get(robot, idle) for _, part in columns)]) for robot in robots]
    return {'columns': [name for name, _ in columns], 'rows': rows,
            'differences': fleet['differences']}


def _plots(figures: dict[str, Any], found: Replayed) -> list[dict[str, str]]:
    shares = {name: [(part['start_s'], part[key]) for part in figures['over_time']
                     if part[key] is not None]
              for key, name in (('exact_match', 'exact match'), ('agreement', 'agreement with the '
                                                                             'recording'))}
    made = [(plots.over_time({'tasks': [(part['start_s'], part['tasks'])
                                        for part in figures['over_time']]}, 'tasks'),
             'When tasks came.')]
    shares = {name: points for name, points in shares.items() if points}
    if shares:
        made.append((plots.over_time(shares, 'share of the tasks', top=1.02),
                     'How right the answers are, and how like the recorded ones, over time.'))
    latencies = {name: values for name, values in (
        ('now', found.milliseconds), ('recorded', found.recorded_milliseconds))
        if any(value == value for value in values)}
    if latencies:
        made.append((plots.cumulative(latencies, 'ms'), 'Latency of single tasks.'))
    return [{'svg': svg, 'caption': caption} for svg, caption in made]


def _row(change: Change) -> dict[str, str]:
    return {'text': change.text, 'id': change.task_id, 'before': in_words(change.before),
            'now': in_words(change.now),
            'label': '' if change.label is None else in_words(change.label)}
