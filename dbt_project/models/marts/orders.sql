{{ config(materialized='view') }}
with orders as (

  select * from {{ ref('int_orders_owned') }}

),

numbers as (

  select * from {{ ref('int_order_numbers') }}

),

erased as (

  select customer_key
  from {{ ref('int_customer_suppressions') }}
  where is_erased

),

order_discounts as (

  select * from {{ ref('int_order_discounts_summarised') }}

),

-- Without discount records nothing can be said about discounts, which is not the same as "none".
discounts as (

  select coalesce(bool_or(present), false) as are_known
  from {{ ref('int_source_tables') }}
  where table_name = 'order_discounts'

)

select
  orders.order_id,
  orders.customer_key,
  orders.ordered_on,
  orders.ordered_at,
  orders.is_valid,
  orders.invalid_reason,
  cast(numbers.order_number as integer) as order_number,
  orders.currency,
  {{ money('orders.gross_amount') }} as gross_amount,
  {{ money('orders.discount_amount') }} as discount_amount,
  {{ money('orders.shipping_amount') }} as shipping_amount,
  {{ money('orders.tax_amount') }} as tax_amount,
  {{ money('orders.refunded_amount') }} as refunded_amount,
  {{ money('orders.total_amount') }} as total_amount,
  {{ money('orders.net_amount') }} as net_amount,
  case when discounts.are_known then coalesce(order_discounts.discount_kinds, {{ empty_list() }}) end as discount_kinds,
  case when discounts.are_known then coalesce(order_discounts.discount_codes, {{ empty_list() }}) end as discount_codes,
  case when discounts.are_known then orders.has_code end as has_code,
  orders.source_name,
  orders.financial_status,
  orders.ship_country,
  orders.ship_region,
  case when erased.customer_key is null then orders.ship_city end as ship_city,
  case when erased.customer_key is null then orders.ship_postal_code end as ship_postal_code
from orders
left join numbers on numbers.order_id = orders.order_id
left join order_discounts on order_discounts.order_id = orders.order_id
left join erased on erased.customer_key = orders.customer_key
cross join discounts
