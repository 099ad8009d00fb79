"""Checking labels: whom to ask again, how well two labellings agree, and who was right.

The order of work: :mod:`doubts` finds the labels that a model would not give, :mod:`selection` makes
the queue for the second annotator, who sees the texts only, :mod:`agreement` measures the two
labellings against each other before anybody has seen the other's, and :mod:`adjudication` keeps the
decision on each disagreement with the rule of the guide that decided.
"""
