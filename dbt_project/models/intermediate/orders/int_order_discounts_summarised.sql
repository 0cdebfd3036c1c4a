with order_discounts as (

  select * from {{ ref('stg_order_discounts') }}
  where {{ is_discount('kind') }}

)

select
  order_id,
  {{ sorted_list('kind') }} as discount_kinds,
  {{ sorted_list('code') }} as discount_codes,
  coalesce(bool_or(kind in ({{ list_var('discount_kinds') }})), false) as has_code,
  -- Several codes on one order: the first applied stands for the order, then the alphabet decides.
  arg_min(code, (coalesce(discount_index, 2147483647), code)) filter (
    where kind in ({{ list_var('discount_kinds') }}) and code is not null
  ) as first_code,
  cast(sum(amount) filter (where target is null or target <> 'shipping') as decimal(18, 4)) as merchandise_amount
from order_discounts
group by order_id
