-- The evidence behind the coupon-abuse score, dated: what speaks against a customer, from when, and until when. Signs
-- that strangers may share (one network, one household, one office) weigh too little to reach the threshold alone.
{%- set window = whole_number_var('abuse_window_days') %}
with uses as (

  select * from {{ ref('int_once_code_uses') }}

),

signs as (

  select
    uses.family,
    uses.customer_key,
    uses.ordered_on,
    'shared_' || signs.kind as flag,
    signs.sign
  from uses
  inner join {{ ref('int_household_signs') }} as signs on signs.customer_key = uses.customer_key
  union all
  select family, customer_key, ordered_on, 'shared_device' as flag, cast(device as {{ dbt.type_string() }}) as sign
  from uses
  where device is not null

),

-- All who bear a sign, whether or not they used a code: of more than that, it is an office, a till or a carrier's network.
bearers as (

  select 'shared_' || kind as flag, sign, count(*) as customers
  from {{ ref('int_household_signs') }}
  group by kind, sign
  union all
  select 'shared_device' as flag, cast(device as {{ dbt.type_string() }}) as sign, count(distinct customer_key) as customers
  from {{ ref('int_orders_owned') }}
  where customer_key is not null and device in (select device from uses)
  group by device

),

shared_signs as (

  select flag, sign
  from bearers
  where customers between 2 and {{ whole_number_var('max_cluster') }}

),

suspects as (

  select signs.*
  from signs
  semi join shared_signs
    on shared_signs.flag = signs.flag and shared_signs.sign = signs.sign

),

linked as (

  select
    one.customer_key,
    one.flag,
    one.family,
    min(greatest(one.ordered_on, other.ordered_on)) as entered_on,
    count(distinct other.customer_key) as others
  from suspects as one
  inner join suspects as other
    on other.family = one.family
    and other.flag = one.flag
    and other.sign = one.sign
    and other.customer_key <> one.customer_key
    and {{ days_between('least(one.ordered_on, other.ordered_on)', 'greatest(one.ordered_on, other.ordered_on)') }} <= {{ window }}
  group by one.customer_key, one.flag, one.family

),

repeated as (

  select
    customer_key,
    family,
    ordered_on,
    row_number() over (partition by customer_key, family order by ordered_at, order_id) as use,
    count(*) over (partition by customer_key, family) as uses
  from uses

),

returned as (

  select
    customer_key,
    ordered_on,
    row_number() over (partition by customer_key order by ordered_at, order_id) as return
  from {{ ref('int_orders_owned') }}
  where customer_key is not null and has_code and refunded_amount > 0 and coalesce(invalid_reason, 'fully_refunded') = 'fully_refunded'

),

raised as (

  select
    customer_key, flag, entered_on, cast(null as date) as exited_on,
    'a code of the family ' || family || ' also used by ' || others || ' other customers with the same sign' as detail
  from linked
  union all
  select
    customer_key, 'repeated_code' as flag, ordered_on as entered_on, cast(null as date) as exited_on,
    'codes of the family ' || family || ' on ' || uses || ' orders' as detail
  from repeated
  where use = 2
  union all
  select
    redeemer_key as customer_key, 'shared_code' as flag, min(ordered_on) as entered_on, cast(null as date) as exited_on,
    count(distinct code) || ' personal codes of somebody else' as detail
  from {{ ref('int_shared_codes') }}
  group by redeemer_key
  union all
  select
    customer_key, 'returns_after_code' as flag, ordered_on as entered_on, cast(null as date) as exited_on,
    'money back on two orders with a code' as detail
  from returned
  where return = 2
  union all
  select
    customer_key, 'mostly_codes' as flag, ordered_on as entered_on, next_ordered_on as exited_on,
    lifetime_code_orders || ' of ' || lifetime_orders || ' orders with a code' as detail
  from {{ ref('int_customer_days') }}
  where
    lifetime_orders >= {{ whole_number_var('abuse_min_orders') }}
    and lifetime_code_orders >= {{ share_var('abuse_code_share') }} * lifetime_orders

)

select
  customer_key,
  flag,
  case flag
    {% for flag, weight in abuse_weights().items() -%}
    when '{{ flag }}' then {{ weight }}
    {% endfor -%}
  end as weight,
  entered_on,
  exited_on,
  detail
from raised
