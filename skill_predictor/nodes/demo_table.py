"""The table of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from skill_predictor.msg import SkillVector, TaskAllocation

from .. import taxonomy

SHORT = {'surface_water': 'surface', 'under_water': 'under'}

_BARS = ' ▁▂▃▄▅▆▇█'
_DECISIONS = {
    TaskAllocation.STATUS_ASSIGNED: 'robot', TaskAllocation.STATUS_TEAM: 'team',
    TaskAllocation.STATUS_WAITING: 'waiting', TaskAllocation.STATUS_IMPOSSIBLE: 'impossible',
    TaskAllocation.STATUS_NOT_PHYSICAL: 'not physical', TaskAllocation.STATUS_EXPIRED: 'expired',
    TaskAllocation.STATUS_CANCELLED: 'cancelled'}
_STYLES = {'robot': 'green', 'team': 'cyan', 'waiting': 'yellow', 'impossible': 'red',
           'not physical': 'dim'}


@dataclass
class TaskRow:
    """What is known of one task."""

    text: str
    given: bool = False
    vector: SkillVector | None = None
    allocation: TaskAllocation | None = None
    decision: str = ''
    """How the task was decided: robot, team, waiting, impossible, not physical."""

    def note(self, allocation: TaskAllocation) -> None:
        """Take in a newer decision."""
        if self.allocation is None or allocation.revision >= self.allocation.revision:
            self.allocation = allocation
            self.decision = _DECISIONS.get(allocation.status, self.decision)


def render(rows: list[TaskRow], height: int | None = None) -> Table:
    """The table; with ``height``, only as many of the latest tasks as fit into that many lines."""
    table = Table(expand=True, show_edge=False, pad_edge=False)
    table.add_column('task', ratio=3, no_wrap=True, overflow='ellipsis')
    for skill in taxonomy.SKILLS:
        table.add_column(SHORT.get(skill, skill), justify='left', no_wrap=True)
    table.add_column('decision', no_wrap=True, min_width=12)
    table.add_column('robots', ratio=1, no_wrap=True, overflow='ellipsis')
    table.add_column('ms', justify='right', no_wrap=True)
    shown = [row for row in rows if row.given]
    if height is not None:
        shown = shown[-max(1, height - 4):]
    for row in shown:
        table.add_row(row.text, *_probabilities(row), *_outcome(row), _milliseconds(row))
    return table


def _probabilities(row: TaskRow) -> list[Text]:
    if row.vector is None:
        return [Text('·', style='dim')] * taxonomy.NUM_SKILLS
    return [_bar(float(probability), bool(required)) for probability, required
            in zip(row.vector.probabilities, row.vector.required)]


def _bar(probability: float, required: bool) -> Text:
    filled = probability * 4
    cells = ''.join(_BARS[round(8 * min(1.0, max(0.0, filled - cell)))] for cell in range(4))
    return Text(f'{cells} {probability:.2f}', style='bold green' if required else 'dim')


def _outcome(row: TaskRow) -> list[Text]:
    if row.allocation is None:
        return [Text('...', style='dim'), Text('')]
    done = row.allocation.status == TaskAllocation.STATUS_COMPLETED
    names = ', '.join(row.allocation.robot_ids)
    if row.decision == 'impossible':
        names = ('nobody has ' + ', '.join(row.allocation.missing_skills)
                 if row.allocation.missing_skills else row.allocation.reason)
    return [Text(row.decision + (' ✓' if done else ''), style=_STYLES.get(row.decision, '')),
            Text(names, style='' if row.decision != 'impossible' else 'red')]


def _milliseconds(row: TaskRow) -> str:
    return f'{row.vector.latency_ms:.0f}' if row.vector is not None else ''
