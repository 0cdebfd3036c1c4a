with suppressions as (

  select * from {{ source('raw', 'suppressions') }}

),

phone_numbers as (

  select * from {{ source('raw', 'phone_numbers') }}

)

select
  {{ normalise_email('suppressions.email') }} as email,
  phone_numbers.e164 as phone,
  lower(nullif(trim(suppressions.channel), '')) as channel
from suppressions
left join phone_numbers
  on phone_numbers.phone = suppressions.phone
