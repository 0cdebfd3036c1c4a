-- The brand a customer prefers: most of what they kept, and more than a single line of it. A tie goes to the brand
-- bought last.
with lines as (

  select lines.customer_key, lines.ordered_on, lines.kept_amount, products.vendor
  from {{ ref('int_lines_bought') }} as lines
  inner join {{ ref('int_products') }} as products on products.product = lines.product
  where lines.customer_key is not null and lines.kept_quantity > 0 and products.vendor is not null

),

brands as (

  select
    customer_key,
    vendor,
    {{ total('kept_amount') }} as amount,
    count(*) as lines,
    max(ordered_on) as last_bought_on
  from lines
  group by customer_key, vendor

),

ranked as (

  select
    *,
    sum(amount) over (partition by customer_key) as total_amount,
    row_number() over (partition by customer_key order by amount desc, last_bought_on desc, vendor) as place
  from brands

)

select
  customer_key,
  vendor as preferred_brand,
  amount / total_amount as brand_share
from ranked
where place = 1 and lines >= {{ whole_number_var('brand_min_lines') }} and amount >= {{ share_var('brand_min_share') }} * total_amount
