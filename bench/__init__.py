"""What this machine makes of Goodword: a program, never a timed test.

    python -m bench --quick              the empty store, in under 90 s
    python -m bench --events 5000000     the same on a store grown to 5 M events
    python -m bench erasure              what deleting a person costs
    python -m bench.nodes --events 5e6   nodes on PostgreSQL; `python -m bench.model` what many of them would do

One run, file by file: `__main__` reads the command line. `traffic` invents a pool of message templates. `server` starts
the real `goodword serve` on a free port. `scenario` decides what is measured in which order, and `run` measures it:
`wrk` (with `wrk.lua`) drives the server as fast as it answers, `driver` fills stores and drives at a set pace, `store`
knows what a data directory holds, and `floor` measures, between the windows, the least any store could do with the same
bytes. `result` is what was found; `report` prints rates, their ratio to that floor, and the goals.

Absolute rates swing by a third on a shared machine. Trust the ratios and the CPU microseconds a message.
"""
