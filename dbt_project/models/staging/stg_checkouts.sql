with checkouts as (

  select * from {{ source('raw', 'checkouts') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

)

select
  checkouts.checkout_token,
  checkouts.created_at,
  {{ shop_date('checkouts.created_at') }} as created_on,
  coalesce(checkouts.updated_at, checkouts.created_at) as updated_at,
  {{ shop_date('checkouts.completed_at') }} as completed_on,
  nullif(trim(checkouts.customer_id), '') as customer_id,
  {{ normalise_email('checkouts.email') }} as email,
  phone_numbers.e164 as phone,
  checkouts.total_amount
from checkouts
left join phone_numbers
  on phone_numbers.phone = checkouts.phone
