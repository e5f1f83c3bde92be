"""The rules of Goodword, free of I/O, clocks and randomness: every function is of its arguments alone.

`now` and fresh ids are handed in; what a rule needs to know is in `facts.Facts`; what it answers is a `decision.Decision`.
"""
