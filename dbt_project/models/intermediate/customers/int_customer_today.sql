-- The lifecycle state that holds on the as-of date, with the name people know it by.
with periods as (

  select * from {{ ref('int_lifecycle_periods') }}

)

select
  customer_key,
  segment as lifecycle,
  case segment
    when 'non_buyer' then 'Non-buyer'
    when 'active_single' then 'Single Buyer'
    when 'active_multi' then 'Multi-Buyer'
    when 'active_hvc' then 'HVC'
    when 'churning_single' then 'Churning Single'
    when 'churning_multi' then 'Churning Multi'
    when 'churning_hvc' then 'Churning HVC'
    when 'lapsed_single' then 'Lapsed Single'
    when 'lapsed_multi' then 'Lapsed Multi'
    when 'lapsed_hvc' then 'Lapsed HVC'
  end as customer_segment
from periods
where
  entered_on <= {{ as_of_date() }}
  and (exited_on is null or exited_on > {{ as_of_date() }})
