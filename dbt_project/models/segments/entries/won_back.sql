with order_days as (

  select * from {{ ref('int_customer_days') }}

),

thresholds as (

  select * from {{ ref('int_lifecycle_thresholds') }}

),

returns as (

  select *
  from order_days
  where {{ days_between('previous_ordered_on', 'ordered_on') }} > (select min(lapse_days) from thresholds)

)

-- How long a silence has to be depends on what the customer was before it.
select
  returns.customer_key,
  returns.ordered_on as entered_on,
  {{ earliest_day([add_days('returns.ordered_on', whole_number_var('winback_window_days')), 'returns.next_ordered_on']) }} as exited_on
from returns
inner join order_days as before
  on before.customer_key = returns.customer_key and before.ordered_on = returns.previous_ordered_on
inner join thresholds on thresholds.tier = before.tier
where {{ days_between('returns.previous_ordered_on', 'returns.ordered_on') }} > thresholds.lapse_days
