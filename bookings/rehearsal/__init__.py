"""The rehearsal: the staging cases and the faults, run against an installation whose connections lead to the sandbox.

It books, moves, cancels and pays as a customer does, and looks on every side for what must have come of it.
"""
