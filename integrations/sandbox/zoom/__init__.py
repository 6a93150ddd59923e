"""Zoom: meetings, their registrants, and webhooks about both."""
