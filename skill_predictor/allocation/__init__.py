"""Robots and what they can do, the choice of a robot or a team, and the ledger of who does what."""
