"""Short ways to write robots, tasks and ledgers in tests."""

from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.ledger import FleetLedger
from skill_predictor.allocation.tasks import RobotStatus, TaskRequest


def robot(robot_id, *skills, **fields):
    """Make a robot."""
    return Robot(robot_id, skills, **fields)


def at(robot_id, *skills, x=0.0, battery=None, busy=None, available=True, frame='map', **fields):
    """Make the status of a robot that stands x metres from the origin."""
    return RobotStatus(robot(robot_id, *skills, **fields), available, battery, (x, 0.0, 0.0),
                       frame, busy)


def task(*required, task_id='t', **fields):
    """Make a task without a location."""
    return TaskRequest(task_id, required, **fields)


def here(*required, **fields):
    """Make a task at the origin."""
    return task(*required, location=(0.0, 0.0, 0.0), frame='map', **fields)


def fly(task_id, **fields):
    """Make a task for a robot that flies."""
    return task('fly', task_id=task_id, **fields)


def ledger_of(*robots, **settings):
    """Make a ledger of robots that have not reported."""
    return FleetLedger({one.robot_id: one for one in robots}, **settings)


def fliers(names, **settings):
    """Make a ledger of robots that fly and have just reported."""
    ledger = ledger_of(*(robot(name, 'fly') for name in names), **settings)
    alive(ledger, 0.0, names)
    return ledger


def alive(ledger, now, names, **fields):
    """Report the same for several robots; give all decisions."""
    return [decision for name in names for decision in ledger.report(name, now, **fields)]


def keep_alive(ledger, first, last, names, **fields):
    """Report, then tick, once a second; give all decisions."""
    decisions = []
    for second in range(first, last + 1):
        decisions += alive(ledger, float(second), names, **fields) + ledger.tick(float(second))
    return decisions


def short(decisions):
    """What was decided, without scores and words."""
    return [(decision.task_id, decision.choice.status, decision.choice.robots)
            for decision in decisions]


def snapshot(ledger):
    """Everything that a ledger shows, for tasks with names of one digit."""
    return (ledger.assignments(), ledger.waiting(), ledger.robots(50.0),
            [ledger.status_of(task_id) for task_id in '0123456789'])
