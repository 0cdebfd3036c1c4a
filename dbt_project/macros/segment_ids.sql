{#
  Every segment of the product, in the order people read them. A segment is a file of the same name under
  models/segments; a test compares the two. It is a list and not a search for files, because dbt must know
  the references of segment_periods before it knows all files.
#}
{% macro lifecycle_ids() -%}
  {{ return([
    'non_buyer',
    'active_single', 'active_multi', 'active_hvc',
    'churning_single', 'churning_multi', 'churning_hvc',
    'lapsed_single', 'lapsed_multi', 'lapsed_hvc',
  ]) }}
{%- endmacro %}

{% macro segment_ids() -%}
  {{ return(lifecycle_ids() + [
    'new_multi_buyer', 'new_hvc', 'new_churning_hvc', 'new_lapsed_hvc', 'won_back', 'recent_hvc_event',
    'ever_used_discount_code', 'other_discount_only', 'full_price_only',
    'first_order_discounted', 'redeemed_this_month', 'only_with_discount', 'coupon_abuser',
    'abandoned_cart', 'abandoned_cart_offer',
    'signed_up_this_week', 'new_contact', 'subscriber_not_purchased', 'loyalty_member',
    'advocate', 'referred',
    'profitable', 'unprofitable', 'suspected_reseller',
  ]) }}
{%- endmacro %}

{#
  Segments of which a customer has one stay at most, or stays that are always apart. Their rows are not looked at for
  overlaps, which is most of the work of segment_periods; a data test holds them to it. Not being in this list is safe.
#}
{% macro ids_of_separate_stays() -%}
  {{ return([
    'non_buyer',
    'churning_single', 'churning_multi', 'churning_hvc',
    'lapsed_single', 'lapsed_multi', 'lapsed_hvc',
    'new_hvc', 'new_churning_hvc', 'new_lapsed_hvc',
    'ever_used_discount_code', 'other_discount_only', 'full_price_only', 'first_order_discounted',
    'abandoned_cart', 'abandoned_cart_offer', 'signed_up_this_week', 'new_contact', 'subscriber_not_purchased',
    'advocate', 'referred',
    'profitable', 'unprofitable', 'in_spend_tier',
    'on_discount_ladder', 'ordered_by_rule',
    'campaign_recipients', 'campaign_pending', 'campaign_redeemers', 'campaign_non_redeemers', 'campaign_organic_redeemers',
  ]) }}
{%- endmacro %}

{#
  Files that define one segment per row of seeds/reference or per campaign: their rows say which. The rules and their
  segments are in int_segment_rules.
#}
{% macro segment_families() -%}
  {{ return([
    'redeemed_family_this_month', 'on_discount_ladder', 'in_spend_tier',
    'ordered_by_rule', 'bought_by_rule', 'lives_in_place',
    'campaign_recipients', 'campaign_pending', 'campaign_redeemers', 'campaign_non_redeemers',
    'campaign_organic_redeemers',
  ]) }}
{%- endmacro %}
