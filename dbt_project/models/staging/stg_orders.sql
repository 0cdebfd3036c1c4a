with orders as (

  select * from {{ source('raw', 'orders') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

),

order_rates as (

  select * from {{ ref('stg_order_rates') }}

)

select
  orders.order_id,
  orders.ordered_at,
  {{ shop_date('orders.ordered_at') }} as ordered_on,
  nullif(trim(orders.customer_id), '') as customer_id,
  {{ normalise_email('orders.email') }} as email,
  phone_numbers.e164 as phone,
  orders.cancelled_at,
  lower(nullif(trim(orders.financial_status), '')) as financial_status,
  coalesce(orders.is_test, false) as is_test,
  lower(nullif(trim(orders.source_name), '')) as source_name,
  upper(nullif(trim(orders.currency), '')) as currency,
  {{ in_shop_currency('orders.gross_amount') }} as gross_amount,
  {{ in_shop_currency('orders.discount_amount') }} as discount_amount,
  {{ in_shop_currency('orders.shipping_amount') }} as shipping_amount,
  {{ in_shop_currency('orders.tax_amount') }} as tax_amount,
  {{ in_shop_currency('orders.refunded_amount') }} as refunded_amount,
  {{ in_shop_currency('orders.total_amount') }} as total_amount,
  nullif(trim(orders.ship_country), '') as ship_country,
  nullif(trim(orders.ship_region), '') as ship_region,
  nullif(trim(orders.ship_city), '') as ship_city,
  nullif(trim(orders.ship_postal_code), '') as ship_postal_code,
  orders.tags,
  nullif(trim(orders.checkout_token), '') as checkout_token,
  nullif(trim(orders.client_ip), '') as client_ip,
  nullif(trim(orders.user_agent), '') as user_agent
from orders
left join phone_numbers
  on phone_numbers.phone = orders.phone
left join order_rates
  on order_rates.order_id = orders.order_id
