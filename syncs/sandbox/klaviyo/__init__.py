"""The stand-in of Klaviyo's API, revision 2026-07-15."""
