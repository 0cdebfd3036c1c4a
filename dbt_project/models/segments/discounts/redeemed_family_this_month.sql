with first_days as (

  select
    families.segment,
    codes.customer_key,
    min(codes.ordered_on) as entered_on
  from {{ ref('int_order_codes') }} as codes
  inner join {{ ref('int_family_codes') }} as families on families.code = codes.code
  where codes.counts
  group by families.segment, codes.customer_key, date_trunc('month', codes.ordered_on)

)

select
  segment,
  customer_key,
  entered_on,
  {{ next_month('entered_on') }} as exited_on
from first_days
