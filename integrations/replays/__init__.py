"""Replay plans: what to replay is chosen and frozen, foretold, approved, run slowly, and accounted for."""
