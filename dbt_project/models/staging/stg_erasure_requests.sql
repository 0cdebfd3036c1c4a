with erasure_requests as (

  select * from {{ source('raw', 'erasure_requests') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

)

select
  nullif(trim(erasure_requests.customer_id), '') as customer_id,
  {{ normalise_email('erasure_requests.email') }} as email,
  phone_numbers.e164 as phone,
  erasure_requests.requested_at
from erasure_requests
left join phone_numbers
  on phone_numbers.phone = erasure_requests.phone
