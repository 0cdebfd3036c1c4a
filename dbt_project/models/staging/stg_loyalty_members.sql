with loyalty_members as (

  select * from {{ source('raw', 'loyalty_members') }}

)

select
  trim(customer_id) as customer_id,
  lower(nullif(trim(status), '')) as status,
  lower(nullif(trim(tier), '')) as tier,
  points,
  {{ shop_date('joined_at') }} as joined_on,
  {{ shop_date('left_at') }} as left_on
from loyalty_members
