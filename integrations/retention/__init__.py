"""Retention: what is kept for how long, and the purge of what is over. Packages further up add their own kinds."""
