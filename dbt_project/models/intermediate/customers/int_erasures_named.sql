-- What requests for erasure name, one row an identifier. Two spellings of one mailbox have one match_value.
with requests as (

  select
    *,
    row_number() over (order by requested_at, customer_id, email, phone) as request
  from {{ ref('stg_erasure_requests') }}

),

named as (

  select request, requested_on, 'email' as id_type, email as id_value, {{ email_identity('email') }} as match_value from requests
  union all
  select request, requested_on, 'customer_id' as id_type, customer_id as id_value, customer_id as match_value from requests
  union all
  select request, requested_on, 'phone' as id_type, phone as id_value, phone as match_value from requests

)

select *
from named
where id_value is not null
