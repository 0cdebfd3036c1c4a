select
  customer_key,
  since as entered_on,
  until as exited_on
from {{ ref('int_abuse_scores') }}
where score >= {{ whole_number_var('abuse_threshold') }}
