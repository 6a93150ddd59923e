"""Reconciliation: what calendar.live, Keepsync and the CRMs hold is compared, and what differs is repaired or shown.

events.py compares events with meetings, records.py meetings with the CRMs' records, log.py reads calendar.live's own
log of deliveries. walks.py goes through them page by page, ledger.py writes down what was found, and runs.py starts,
holds and resumes. settling.py is what a person decides.
"""
