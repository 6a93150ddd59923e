"""The automations: each module is one, readable top to bottom, and follows a meeting wherever it goes.

`follow(meeting)` runs in the transaction that changed the meeting. It plans effects and makes no calls; run again for
the same state, it plans nothing new.
"""
