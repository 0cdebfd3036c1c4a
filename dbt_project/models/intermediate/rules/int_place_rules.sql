-- seeds/reference/place_rules.csv: customers by where they are. An empty cell means any.
with rows_given as (

  {{ reference_rows('place_rules', ['segment', 'title', 'country', 'region', 'city']) }}

),

judged as (

  select
    *,
    coalesce(
      {{ segment_name_problem('segment') }},
      {{ missing_problem('title') }},
      case when coalesce(country, region, city) is null then 'give at least one of country, region, city' end
    ) as problem
  from rows_given

)

select
  line,
  {{ unless_wrong('segment', 'problem', 'place_rules') }} as segment,
  title,
  'The last valid order was shipped to ' || concat_ws(', ', city, region, country)
    || '; for somebody without a shipped order, the account says so.' as description,
  lower(country) as country,
  lower(region) as region,
  lower(city) as city
from judged
