"""The sample shop: three years of made-up orders of a made-up coffee-and-home shop."""
