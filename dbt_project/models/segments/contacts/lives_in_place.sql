select
  rules.segment,
  places.customer_key,
  places.since as entered_on,
  places.until as exited_on
from {{ ref('int_customer_places') }} as places
inner join {{ ref('int_place_rules') }} as rules
  on (rules.country is null or rules.country = places.country)
  and (rules.region is null or rules.region = places.region)
  and (rules.city is null or rules.city = places.city)
