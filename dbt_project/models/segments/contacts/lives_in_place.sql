with places as (

  select rules.segment, places.place
  from {{ ref('int_places') }} as places
  inner join {{ ref('int_place_rules') }} as rules
    on (rules.country is null or rules.country = places.country)
    and (rules.region is null or rules.region = places.region)
    and (rules.city is null or rules.city = places.city)

)

select
  places.segment,
  stays.customer_key,
  stays.since as entered_on,
  stays.until as exited_on
from {{ ref('int_customer_places') }} as stays
inner join places on places.place = stays.place
