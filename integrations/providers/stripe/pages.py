"""Where a payment is seen in Stripe's Dashboard: under its payment intent, which it has once somebody has paid."""

from integrations.providers.sites import Shown, Site, join

DASHBOARD = "https://dashboard.stripe.com"


def find_page(site: Site, shown: Shown, external_id: str) -> str:
    is_own = not site.base_url or site.is_within("stripe.com")
    is_intent = shown == Shown.PAYMENT and external_id.startswith("pi_")
    return join(DASHBOARD, "payments", external_id) if is_intent and is_own else ""
