select
  sign_ups.customer_key,
  greatest(sign_ups.signed_up_on, customers.known_from) as entered_on,
  {{ next_week('sign_ups.signed_up_on') }} as exited_on
from {{ ref('int_customer_sign_ups') }} as sign_ups
inner join {{ ref('int_customers') }} as customers on customers.customer_key = sign_ups.customer_key
