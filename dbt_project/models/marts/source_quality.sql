-- One row per question about the source; `value` is a number, `detail` says what it means. Where there is a threshold
-- (variables quality_max_…), `passed` says whether the value is at most that: a warning, because the segments are right
-- for what was loaded; whether that is enough to send them is for a person to say.
with orders as (

  select * from {{ ref('int_orders_owned') }}

),

order_facts as (

  select
    count(*) as orders,
    count(*) filter (where customer_key is null) as without_customer,
    count(*) filter (where ship_country is null) as without_country,
    count(*) filter (where not is_valid) as invalid,
    count(*) filter (where currency <> {{ shop_currency() }}) as in_other_currency,
    count(*) filter (where discount_amount > 0) as discounted,
    count(*) filter (where discount_amount > 0 and not has_discount) as unexplained_discounts,
    min(ordered_on) as first_day
  from orders

),

history_start as (

  select * from {{ ref('int_history_start') }}

),

refunds as (

  select
    count(*) as refunds,
    count(*) filter (where known_orders.order_id is null) as without_order
  from {{ ref('stg_refunds') }} as refunds
  left join {{ ref('stg_orders') }} as known_orders on known_orders.order_id = refunds.order_id

),

discounts as (

  select
    count(*) as records,
    count(*) filter (where known_orders.order_id is null) as without_order
  from {{ ref('stg_order_discounts') }} as order_discounts
  left join {{ ref('stg_orders') }} as known_orders on known_orders.order_id = order_discounts.order_id

),

rejected as (

  select
    table_name,
    count(*) as row_count
  from {{ ref('stg_rejected_rows') }}
  group by table_name

),

read_tables as (

  select
    loaded.table_name,
    coalesce(rejected.row_count, 0) as rejected,
    loaded.row_count + coalesce(rejected.row_count, 0) as row_count
  from {{ ref('stg_loaded_rows') }} as loaded
  left join rejected on rejected.table_name = loaded.table_name

),

-- A small table with many rejected rows must not hide behind a large one without any.
worst_table as (

  select *
  from read_tables
  where row_count > 0
  order by rejected / row_count desc, table_name
  limit 1

),

reconciled as (

  select * from {{ ref('int_reconciled') }}

),

facts as (

  select 'orders' as check_name, cast(orders as double) as value, 'orders up to the as-of date' as detail from order_facts
  union all
  select 'history_days', {{ days_between('first_day', as_of_date()) }} + 1,
    'history starts on ' || first_day || '; ' || coalesce(history_start.reason, 'who bought before is taken for new')
  from order_facts cross join history_start
  union all
  select 'orders_invalid', count(*), invalid_reason from orders where not is_valid group by invalid_reason
  union all
  -- A longer text is no currency, and may be anything.
  select 'orders_in_currency', count(*), currency
  from (
    select case when currency is null then 'not given' when length(currency) = 3 then currency else 'no currency' end as currency
    from orders
  ) as shown
  group by currency
  union all
  -- One that has no rate stops the build before.
  select 'orders_converted', count(*), currency from orders where currency <> {{ shop_currency() }} and length(currency) = 3 group by currency
  union all
  select 'discount_records_of_kind', count(*), coalesce(kind, 'not given') from {{ ref('stg_order_discounts') }} group by kind
  union all
  select 'rejected_rows', count(*), table_name || ': ' || reason
  from (select table_name, unnest(reasons) as reason from {{ ref('stg_rejected_rows') }}) as by_reason
  group by table_name, reason
  union all
  select 'segments_left_censored', count(*), reason
  from {{ ref('segment_catalog') }} where status = 'left_censored' group by reason
  union all
  select 'segment_unavailable', 1, segment || ': ' || reason
  from {{ ref('segment_catalog') }} where status = 'unavailable'

),

-- Always there, with a null where the source has nothing to judge by.
shares as (

  select 'orders_without_customer_share' as check_name, without_customer as part, orders as whole,
    'orders have no identifier and are in no segment' as detail, {{ share_var('quality_max_without_customer') }} as threshold
  from order_facts
  union all
  select 'orders_without_ship_country_share', without_country, orders,
    'orders have no shipping country', {{ share_var('quality_max_without_country') }}
  from order_facts
  union all
  select 'orders_invalid_share', invalid, orders,
    'orders do not count', {{ share_var('quality_max_invalid') }}
  from order_facts
  union all
  select 'orders_in_other_currency_share', in_other_currency, orders,
    'orders are in another currency than the shop''s', {{ share_var('quality_max_other_currency') }}
  from order_facts
  union all
  select 'orders_with_unexplained_discount_share', unexplained_discounts, case when has_discounts then discounted end,
    'orders with a discount have no discount record', {{ share_var('quality_max_unexplained_discounts') }}
  from order_facts
  cross join (
    select bool_or(present) as has_discounts from {{ ref('int_source_tables') }} where table_name = 'order_discounts'
  ) as source_tables
  union all
  select 'refunds_without_order_share', without_order, refunds,
    'refunds are of orders that were not loaded', {{ share_var('quality_max_without_order') }}
  from refunds
  union all
  select 'discount_records_without_order_share', without_order, records,
    'discount records are of orders that were not loaded', {{ share_var('quality_max_without_order') }}
  from discounts
  union all
  select 'rejected_rows_share', rejected, row_count,
    'rows of ' || table_name || ' were rejected, the largest share of a table', {{ share_var('quality_max_rejected') }}
  from worst_table
  union all
  select 'customers_with_missing_orders_share', with_fewer_orders, with_orders,
    'customers have fewer orders than the platform counts', {{ share_var('quality_max_missing_orders') }}
  from reconciled
  union all
  select 'customers_with_surplus_orders_share', with_more_orders, with_orders,
    'customers have more orders than the platform counts', {{ share_var('quality_max_surplus_orders') }}
  from reconciled
  union all
  select 'customers_with_other_spend_share', with_other_spent, with_spent,
    'customers spent another amount than the platform says', {{ share_var('quality_max_other_spend') }}
  from reconciled

),

answers as (

  select
    check_name,
    part / whole as value,
    case when whole > 0 then part || ' of ' || whole || ' ' || detail else 'nothing to judge by' end as detail,
    threshold
  from (select * replace (nullif(whole, 0) as whole) from shares) as shares
  union all
  select check_name, value, detail, null
  from facts

)

select
  check_name as "check",
  cast(value as decimal(18, 4)) as value,
  detail,
  cast(threshold as decimal(18, 4)) as threshold,
  value <= threshold as passed
from answers
