"""What is known about the Complete Journey data, to be met by every way through the pipeline.

A figure is *published* when somebody outside this project printed it (the data's authors, their
cookbook, or course solutions built on it), and *derived* when it was counted here straight from
the package's files and only guards against drift.
"""

from typing import Final

# ---- published ---------------------------------------------------------------------------------
BASKETS: Final = 155_848
LINES: Final = 1_469_307
HOUSEHOLDS: Final = 2_469
CAMPAIGNS: Final = 27
MAILINGS: Final = 6_589

MAILED_HOUSEHOLDS: Final = 1_559
REDEEMING_HOUSEHOLDS: Final = 410
MAILED_WITHOUT_REDEMPTION: Final = 1_149

REDEMPTIONS: Final = 2_102
REDEEMED_COUPONS: Final = 491
REDEMPTIONS_BY_MONTH: Final = (19, 44, 32, 20, 268, 155, 47, 424, 223, 70, 526, 274)
"""January to December 2017."""
REDEMPTIONS_OF_CAMPAIGN: Final = {"18": 653, "13": 629, "8": 372}

HOUSEHOLDS_REDEEMING_ONCE: Final = 106
HOUSEHOLDS_REDEEMING_FIVE_OR_MORE: Final = 150
MOST_REDEMPTIONS_OF_A_HOUSEHOLD: Final = 30

GROWTH_JANUARY_TO_MARCH: Final = (53.4, 29.8, 23.3, 19.5, 13.5)
"""Percent, the five fastest growing categories; only New York days give these."""

# ---- derived -----------------------------------------------------------------------------------
GROWTH_JANUARY_TO_MARCH_IN_UTC: Final = (57.4, 29.8, 24.2, 20.6, 14.3)
SHIPPED_WEEKS: Final = 53

USERS_BY_KIND: Final = {"automatic": 2_464, "coupon": 1_559, "campaign": 410}
"""Households that ever used a discount, over every basket: three answers from one data set."""
COUPON_USERS_ON_VALID_ORDERS: Final = 1_553
"""Published as `ever_used_discount_code`: six households used coupons only on baskets that were
paid in full by them, and an order nobody paid for is not valid."""
MAILED_AND_COUPON_USERS: Final = 1_218
"""1,559 were mailed and 1,559 used a coupon, but they are not the same people."""
DISTINCT_REDEEMERS_IN_DECEMBER: Final = 115

BASKETS_WITHOUT_SALES: Final = 478
"""Baskets the shop received nothing for."""
BASKETS_PAID_ZERO: Final = 508
BASKETS_PAID_NEGATIVE: Final = 19
LINES_WITHOUT_QUANTITY: Final = 8_869
