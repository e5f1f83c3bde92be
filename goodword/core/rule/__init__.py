"""The quality rules, a module a kind: who they are, whether they are one and the same, how they came, what happened before.

A rule is a function of the parameters, the case and the reference lists; None where the campaign switched it off. `core/rulebook.py`
puts them in order.
"""
