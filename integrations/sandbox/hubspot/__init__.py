"""HubSpot: contacts, meetings, their properties and associations, as its API of 2026-03 has them."""
