with orders as (

  select * from {{ source('raw', 'orders') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

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
  orders.gross_amount,
  orders.discount_amount,
  orders.shipping_amount,
  orders.tax_amount,
  orders.refunded_amount,
  orders.total_amount,
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
