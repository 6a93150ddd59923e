"""Stripe: Checkout Sessions with a page to pay them, refunds, events, and signed webhooks."""
