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
    'new_multi_buyer', 'new_hvc', 'new_churning_hvc', 'new_lapsed_hvc', 'won_back',
    'ever_used_discount_code', 'other_discount_only', 'full_price_only',
    'first_order_discounted', 'redeemed_this_month',
  ]) }}
{%- endmacro %}
