"""The named boundaries of the labelling guide: where two careful readers could slip.

A task that sits on one of them carries its name as ``boundary``. Rule numbers are those of
``data/LABELING.md``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Boundary:
    """One named confusion.

    Attributes
    ----------
    name : str
        As in the ``boundary`` field of a record.
    rules : tuple of int
        The rules of the guide that decide.
    reading : str
        What decides, in a sentence or two.
    """

    name: str
    rules: tuple[int, ...]
    reading: str


_ALL = (
    Boundary('ground', (3,), 'Wheeled bases pass floors, ramps and roads. Stairs, ladders, rubble, '
             'sills or trenches make it legs instead; both only where one stage is a real drive '
             '(road distance, heavy haul, towing) and another cannot be driven.'),
    Boundary('natural', (17,), 'Forest floor, scree, swamp, deep snow: legs. A forest road, a '
             'track, firm mown grass: wheels. A gorge or fence to be crossed, a whole moor or bay '
             'to be searched, no vehicle named: fly.'),
    Boundary('carry', (5,), 'Deliver, tow, haul, escort, carry what is loaded: no hands. Fetch, '
             'bring me, load, unload, place, stack: hands.'),
    Boundary('height', (4,), 'High up without a way: fly. Stairs or a ladder given as the way up: '
             'legs. Contact work there adds hands. Within reach from the floor: wheels.'),
    Boundary('water', (6,), 'From a bank, pier, deck or the air: no water skill. Afloat: '
             'surface_water. Submerged: under_water. Picking a thing out adds hands.'),
    Boundary('bottom', (16,), 'What lies on the bottom: under_water. Sounding or listening from a '
             'craft: surface_water. In the water without a depth: it floats.'),
    Boundary('instrument', (7,), 'Photographing, measuring, sniffing, spraying, mowing, dropping a '
             'released payload, a hitch: no hands. Valves, switches, closed doors, plugs, knots, '
             'lids, hand tools: hands.'),
    Boundary('bulk', (15,), 'Skimming, sweeping or sucking up many small things: no hands. One '
             'thing, debris, scraping or scrubbing a fixed object, a soil or rock sample: hands.'),
    Boundary('named', (10,), 'A named drone, rover, quadruped or boat implies its way of moving; '
             'robot, unit, machine or agent imply nothing.'),
    Boundary('mover', (13,), 'A vehicle named for one stage also covers fetching and return.'),
    Boundary('stages', (8,), 'Several stages: the union of what each one needs.'),
    Boundary('distractor', (1,), 'Context that misleads: vehicles of others, earlier events, '
             'scenery, names of streets and bars.'),
    Boundary('negation', (1,), 'What must not be done needs no skill: no need to open it, without '
             'climbing, leave it where it is.'),
    Boundary('alternative', (9,), 'Of two ways the first named one counts.'),
    Boundary('place', (14,), 'The place beats the verb: walking a corridor is wheels, a submersible '
             'that flies over the sea bed is under_water.'),
    Boundary('fixed', (2,), 'Work on the spot needs hands only; watching from a fixed spot needs '
             'nothing.'),
    Boundary('help', (18,), 'Help on site replaces hands only where the text says that somebody '
             'loads, opens or takes it.'),
    Boundary('urgency', (11,), 'Speed or distance alone is not fly; no road, or a wide open area '
             'to be searched, is.'),
    Boundary('nothing', (12,), 'It sounds physical, but is writing, planning, computing, '
             'answering, translating or reminding.'),
)

BOUNDARIES: dict[str, Boundary] = {boundary.name: boundary for boundary in _ALL}
"""All named boundaries by name."""
