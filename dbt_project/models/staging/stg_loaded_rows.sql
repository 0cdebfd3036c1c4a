{%- set tables = [
  'exchange_rates', 'orders', 'order_discounts', 'order_lines', 'refunds', 'customers', 'checkouts', 'campaigns', 'campaign_sends',
  'referrals', 'loyalty_members', 'costs', 'suppressions', 'erasure_requests',
] -%}
{% for table in tables -%}
select '{{ table }}' as table_name, count(*) as row_count from {{ source('raw', table) }}
{{ 'union all' if not loop.last }}
{% endfor %}
