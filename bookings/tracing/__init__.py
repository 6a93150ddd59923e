"""The trace of one booking: finding it, reading all that happened to it, and its page."""
