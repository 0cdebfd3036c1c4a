-- A word without a date has always held.
select
  non_buyers.customer_key,
  greatest(non_buyers.entered_on, consents.email_consent_on) as entered_on,
  non_buyers.exited_on
from {{ ref('int_lifecycle_periods') }} as non_buyers
inner join {{ ref('int_customer_consents') }} as consents on consents.customer_key = non_buyers.customer_key
where non_buyers.segment = 'non_buyer' and consents.email_consent = 'subscribed'
