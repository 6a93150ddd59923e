"""calendar.live as far as Keepsync sees it: booking pages, API and webhooks, as its contract says."""
