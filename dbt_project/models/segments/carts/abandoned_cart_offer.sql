{%- set limit = var('abandoned_cart_offers') %}
{%- set counted = enum_var('abandoned_cart_offers_count') %}
with stays as (

  select * from {{ ref('int_abandoned_carts') }}

)

{%- if limit is none %}

select customer_key, entered_on, exited_on
from stays
{%- elif counted == 'grants' %}

-- Being in this segment is the grant: who was in it as often as allowed does not come back.
select customer_key, entered_on, exited_on
from stays
where stay <= {{ whole_number_var('abandoned_cart_offers') }}
{%- else %},

-- An order with two codes of the family is one redemption.
orders as (

  select distinct codes.customer_key, codes.order_id, codes.ordered_at, codes.ordered_on
  from {{ ref('int_order_codes') }} as codes
  inner join {{ ref('int_family_codes') }} as families on families.code = codes.code
  where codes.is_redemption and families.family = {{ known_family('abandoned_cart_family') }}

),

redemptions as (

  select
    customer_key,
    ordered_on,
    row_number() over (partition by customer_key order by ordered_at, order_id) as redemption
  from orders

),

used_up as (

  select customer_key, ordered_on
  from redemptions
  where redemption = {{ whole_number_var('abandoned_cart_offers') }}

)

select
  stays.customer_key,
  stays.entered_on,
  {{ earliest_day(['stays.exited_on', 'used_up.ordered_on']) }} as exited_on
from stays
left join used_up on used_up.customer_key = stays.customer_key
{%- endif %}
