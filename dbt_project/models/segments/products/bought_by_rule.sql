with rules as (

  select * from {{ ref('int_product_rules') }}

),

product_sets as (

  select * from {{ ref('int_product_sets') }}

),

-- Only products that some rule names, so that most lines are never looked at again.
lines as (

  select
    product,
    unit_price,
    kept_quantity,
    customer_key,
    ordered_on
  from {{ ref('int_lines_bought') }}
  where
    counts
    and (
      product in (select product from product_sets)
      or unit_price >= (select min(min_unit_price) from rules where bought_any_of is null)
    )

),

matches as (

  select
    rules.segment,
    rules.within_days,
    lines.customer_key,
    lines.ordered_on
  from rules
  inner join product_sets on product_sets.product_set = rules.bought_any_of
  inner join lines on lines.product = product_sets.product
  where lines.kept_quantity > 0 and (rules.min_unit_price is null or lines.unit_price >= rules.min_unit_price)
  union all
  select
    rules.segment,
    rules.within_days,
    lines.customer_key,
    lines.ordered_on
  from rules
  inner join lines on lines.unit_price >= rules.min_unit_price
  where rules.bought_any_of is null and lines.kept_quantity > 0

),

bought as (

  -- Of a rule without an end the first day says everything.
  select
    segment,
    within_days,
    customer_key,
    min(ordered_on) as ordered_on
  from matches
  group by segment, within_days, customer_key, case when within_days is not null then ordered_on end

),

-- Who sent Y back has had it all the same.
never as (

  select rules.segment, lines.customer_key, min(lines.ordered_on) as ordered_on
  from rules
  inner join product_sets on product_sets.product_set = rules.never_any_of
  inner join lines on lines.product = product_sets.product
  group by rules.segment, lines.customer_key

)

select
  bought.segment,
  bought.customer_key,
  bought.ordered_on as entered_on,
  {{ earliest_day([add_days('bought.ordered_on', 'bought.within_days'), 'never.ordered_on']) }} as exited_on
from bought
left join never
  on never.segment = bought.segment and never.customer_key = bought.customer_key
