{# An amount as it is published: two decimals, in shop currency. Sums keep four until here. #}
{% macro money(expression) -%}
  cast({{ expression }} as decimal(18, 2))
{%- endmacro %}

{#
  An amount of an order in shop currency, four decimals as in the source; `order_rates` has to be joined. An amount that
  is in shop currency already stays untouched; one that nobody can convert is null, and a data test says so.
#}
{% macro in_shop_currency(amount) -%}
  case when order_rates.order_id is null then {{ amount }} else cast({{ exact_in_shop_currency(amount) }} as decimal(18, 4)) end
{%- endmacro %}

{# The same for an order in another currency, not rounded. The product of two decimals of 18 digits has 18 in some engines. #}
{% macro exact_in_shop_currency(amount) -%}
  cast({{ amount }} as decimal(28, 4)) * order_rates.rate
{%- endmacro %}

{# A sum of amounts. A plain sum is twice as wide, in every column and every sum behind it, and twice as slow. #}
{% macro total(amount) -%}
  cast(sum({{ amount }}) as decimal(18, 4))
{%- endmacro %}

{#
  A price times a quantity, rounded to four decimals before anything is summed, so that no sum depends on the order of
  rows. The product of two decimals is 36 digits wide and took more than a microsecond to round; a float of a price
  below ten billion is exact to more than four decimals.
#}
{% macro amount_of(product) -%}
  cast({{ product }} as decimal(18, 4))
{%- endmacro %}

{% macro as_float(amount) -%}
  cast({{ amount }} as double precision)
{%- endmacro %}

{#
  What an order cost the shop: the goods at their known cost, the rest of the net amount at what gross_margin_pct
  leaves for cost, shipping and payment. Null when some cost is unknown and no margin may be assumed.
#}
{% macro order_cost() -%}
  (
    goods_cost
    + case when costed_share < 1 then greatest(net_amount, 0) * (1 - costed_share) * {{ (1 - number_var('gross_margin_pct')) if var('gross_margin_pct') is not none else 'null' }} else 0 end
    + {{ number_var('shipping_cost_per_order') }}
    + {{ number_var('payment_fee_pct') }} * total_amount
  )
{%- endmacro %}

{# Sales of a group of valid orders. GMV is before discounts, net sales after discounts and refunds, margin after costs. #}
{% macro sales_measures() -%}
  count(*) as orders,
  count(distinct orders.customer_key) as customers,
  {{ total('orders.gross_amount') }} as gmv,
  {{ total('orders.discount_amount') }} as discount_amount,
  {{ total('orders.net_amount') }} as net_sales,
  {{ total('orders.net_amount') }} / count(*) as average_order_value,
  case when count(orders.contribution) = count(*) then {{ total('orders.contribution') }} end as margin,
  case
    when count(orders.contribution) = count(*)
      then case when min(orders.costed_share) >= 1 then 'costs' else 'estimated' end
  end as margin_basis
{%- endmacro %}

{# Paying with a gift card is a way of paying, not a discount, whatever a source calls it. #}
{% macro is_discount(kind) -%}
  ({{ kind }} is null or {{ kind }} not like 'gift%card')
{%- endmacro %}

{# The shop's currency as a text of SQL. #}
{% macro shop_currency() -%}
  '{{ dbt.escape_single_quotes(var("shop_currency") | upper) }}'
{%- endmacro %}
