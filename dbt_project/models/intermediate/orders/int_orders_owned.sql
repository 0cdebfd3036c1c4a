{%- set recurring_orders = enum_var('recurring_orders') -%}
-- Orders with their customer, stored once for everything behind. What only rules about orders needed stays behind;
-- the texts of an order are most of its bytes.
with orders as (

  select * from {{ ref('int_orders_validated') }}

),

identities as (

  select * from {{ ref('int_customer_identities') }}
  where resolves_orders

),

owned as (

  -- The strongest identifier of an order decides: the address, then the account, then the phone.
  select
    orders.*,
    coalesce(by_email.customer_key, by_customer_id.customer_key, by_phone.customer_key) as customer_key
  from orders
  left join identities as by_email
    on by_email.id_type = 'email' and by_email.id_value = orders.email
  left join identities as by_customer_id
    on by_customer_id.id_type = 'customer_id' and by_customer_id.id_value = orders.customer_id
  left join identities as by_phone
    on by_phone.id_type = 'phone' and by_phone.id_value = orders.phone

),

counted as (

  select
    *,
    customer_key is not null and is_valid
    {%- if recurring_orders == 'exclude' %}
      and not is_recurring
    {%- elif recurring_orders == 'first_only' %}
      and (
        not is_recurring
        or row_number() over (
          partition by customer_key, is_valid, is_recurring order by ordered_at, order_id
        ) = 1
      )
    {%- endif %} as counts
  from owned

)

select
  * exclude (
    email, phone, customer_id, tags, checkout_token, client_ip, user_agent,
    cancelled_at, is_test, is_draft, is_gift_card_only, goods_cost
  ),
  -- One network address and browser; without both it says nothing.
  case when client_ip is not null and user_agent is not null then {{ row_hash(['client_ip', 'user_agent']) }} end as device
from counted
