-- What was asked for, and what a person who was forgotten is seen with since.
with asked as (

  select customer_id, email, phone, requested_at from {{ source('raw', 'erasure_requests') }}
  union all
  select customer_id, email, null as phone, requested_at from {{ source('raw', 'renewed_requests') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

)

select
  nullif(trim(asked.customer_id), '') as customer_id,
  {{ normalise_email('asked.email') }} as email,
  phone_numbers.e164 as phone,
  asked.requested_at,
  {{ shop_date('asked.requested_at') }} as requested_on
from asked
left join phone_numbers
  on phone_numbers.phone = asked.phone
