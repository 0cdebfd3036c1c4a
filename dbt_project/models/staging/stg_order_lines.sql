with order_lines as (

  select * from {{ source('raw', 'order_lines') }}

)

select
  order_id,
  line_id,
  coalesce(is_gift_card, false) as is_gift_card
from order_lines
