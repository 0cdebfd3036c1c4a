"""The statements behind `raw_shop`, in order; the variable `people` is how many people buy.

Everything random is a hash of a person's or an order's number and of a salt, so that a fact can be
derived again in another table instead of being looked up.
"""

from __future__ import annotations

_MACROS = (
    # A number below `n` that is always the same for `x`.
    "create temp macro pick(x, salt, n) as cast(hash(x, salt) % n as bigint)",
    "create temp macro instant(s) as to_timestamp(1700629200 + s)",
    "create temp macro day_of(s) as s // 86400",
    "create temp macro email_of(p) as 'buyer.' || p || '@mail.example'",
    "create temp macro other_email_of(p) as 'b' || p || '@post.example'",
    "create temp macro account_of(p) as cast(7000000000 + p as varchar)",
    # Country code 999 belongs to nobody, so neither does any of these numbers.
    "create temp macro phone_of(n) as '+999 5' || n",
    """create temp macro consent_of(x, salt) as
        ['subscribed', 'subscribed', 'subscribed', 'subscribed', 'subscribed', 'subscribed',
         'unsubscribed', 'never', 'never', 'pending'][1 + pick(x, salt, 10)]""",
    "create temp macro lines_of(o) as [1, 1, 1, 2, 2, 2, 2, 3, 3, 3][1 + pick(o, 32, 10)]",
    # Half of what somebody buys is of the vendor they like best; a vendor has every twentieth SKU.
    """create temp macro liked(s, p, o, k) as
        case when pick(o * 4 + k, 34, 2) = 0 then s else s - s % 20 + pick(p, 33, 20) end""",
    """create temp macro sku_of(o, p, k) as liked(
        cast(floor(500 * (pick(o * 4 + k, 30, 1000000) / 1e6) ** 2) as bigint), p, o, k)""",
    "create temp macro cents_of(sku) as 500 + sku * 7919 % 12000",
    """create temp macro quantity_of(o, k) as
        [1, 1, 1, 1, 1, 1, 1, 1, 2, 3][1 + pick(o * 4 + k, 31, 10)]""",
    "create temp macro line_cents(o, p, k) as cents_of(sku_of(o, p, k)) * quantity_of(o, k)",
    # A campaign every quarter for four weeks; every fourth has a code of one's own for each person.
    "create temp macro campaign_at(s) as case when day_of(s) % 91 < 28 then day_of(s) // 91 end",
    """create temp macro own_code(p, c) as
        'FALL-' || upper(to_base(pick(p * 16 + c, 23, 2176782336), 36, 6))""",
    """create temp macro shared_code(n) as
        ['WINTER10', 'SPRING15', 'SUMMER15', 'WELCOME10', 'HOLIDAY20', 'SPRING20', 'SUMMER20',
         'MORNING5', 'HOLIDAY25', 'SPRING25'][1 + n % 10]""",
    """create temp macro campaign_code(p, c) as
        case when c % 4 = 3 then own_code(p, c) else shared_code(c) end""",
)

_PEOPLE = """create temp table people as select
    p,
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
     2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
     4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5,
     6, 7, 8, 10, 12, 14, 16, 18, 20, 24, 28, 33, 40, 50, 50][1 + p % 100] as orders,
    pick(p, 1, 100) >= 10 as has_account,
    pick(p, 1, 100) < 10 or pick(p, 2, 100) < 40 as is_guest,
    pick(p, 1, 100) >= 10 and pick(p, 3, 100) < 5 as has_other_email,
    case when pick(p, 4, 100) < 30 then case when pick(p, 5, 20) = 0 then p // 3 else p end end
        as phone,
    pick(p, 6, 1095 * 86400) as first_second,
    [0, 0, 10, 30, 50, 90][1 + pick(p, 7, 6)] as discounted_percent,
    case when pick(p, 8, 100) < 90 then 'US' when pick(p, 8, 100) < 96 then 'CA' else 'GB' end
        as country,
    pick(p, 9, 400) as town,
    -- Of twenty people one shares a connection with the next three.
    case when pick(p // 4, 10, 20) = 0 then p // 4 * 4 else p end as connection
from range(getvariable('people')) as r(p)"""

_MOMENTS = """create temp table moments as
select row_number() over (order by second, p, j) as o, p, j, second
from (
    select p, j, first_second + case when j = 0 then 0 else cast(
        least(1095 * 86400 - first_second, orders * (20 + pick(p, 11, 100)) * 86400)
        * pick(p * 64 + j, 12, 1000000) // 1000000 as bigint) end as second
    from (select p, orders, first_second, unnest(range(orders)) as j from people)
)"""

_SALES = """create temp table sales as
with priced as (
    select moments.*, people.* exclude (p, orders, first_second),
        cast(line_cents(o, p, 0) + case when lines_of(o) > 1 then line_cents(o, p, 1) else 0 end
            + case when lines_of(o) > 2 then line_cents(o, p, 2) else 0 end as integer) as gross,
        pick(o, 20, 100) < discounted_percent as is_discounted,
        pick(o, 40, 1000) as fate
    from moments inner join people using (p)
),
discounted as (
    select *, case when is_discounted then gross * (5 + 5 * pick(o, 24, 6)) // 100 else 0 end
        as discount
    from priced
),
charged as (
    select *, case when gross - discount < 5000 then 599 else 0 end as shipping,
        (gross - discount) * 7 // 100 as tax
    from discounted
)
select *, gross - discount + shipping + tax as total,
    case when fate between 30 and 49 then gross - discount + shipping + tax
        when fate between 50 and 69 then (gross - discount) // 3 else 0 end as refunded
from charged order by o"""

_ORDERS = """insert into raw.orders by name select
    cast(5000000000 + o as varchar) as order_id,
    instant(second) as ordered_at,
    total / 100 as total_amount,
    case when has_account and not (is_guest and pick(o, 41, 2) = 0) then account_of(p) end
        as customer_id,
    case when has_other_email and pick(o, 42, 3) = 0 then other_email_of(p)
        when pick(o, 43, 50) = 0 then upper(email_of(p)) else email_of(p) end as email,
    phone_of(phone) as phone,
    instant(second + case when fate < 70 then 200000 else 60 end) as updated_at,
    case when fate < 30 then instant(second + 4000) end as cancelled_at,
    case when fate < 10 then 'voided' when fate < 30 or fate >= 70 then 'paid'
        when fate < 50 then 'refunded' else 'partially_refunded' end as financial_status,
    pick(o, 44, 500) = 0 as is_test,
    ['web', 'web', 'web', 'web', 'web', 'web', 'web', 'pos', 'shop_app', 'shopify_draft_order'][
        1 + pick(o, 45, 10)] as source_name,
    'USD' as currency,
    gross / 100 as gross_amount,
    discount / 100 as discount_amount,
    shipping / 100 as shipping_amount,
    tax / 100 as tax_amount,
    refunded / 100 as refunded_amount,
    country as ship_country,
    ['AZ', 'CA', 'CO', 'CT', 'FL', 'GA', 'IL', 'MA', 'MI', 'MN', 'NC', 'NJ', 'NY', 'OH', 'OR',
     'PA', 'TN', 'TX', 'VA', 'WA'][1 + town % 20] as ship_region,
    'Town ' || town as ship_city,
    lpad(cast(10000 + town * 7 as varchar), 5, '0') as ship_postal_code,
    case when pick(o, 46, 100) < 5 then 'vip' when pick(o, 46, 100) < 7 then 'gift, vip'
        when pick(o, 46, 100) = 7 then 'wholesale'
        when pick(o, 46, 100) < 10 then 'Subscription Recurring Order' end as tags,
    'token-' || o as checkout_token,
    case when pick(o, 47, 10) < 6 then '10.' || connection // 65536 % 256 || '.'
        || connection // 256 % 256 || '.' || connection % 256 end as client_ip,
    case when pick(o, 47, 10) < 6 then 'Mozilla/5.0 (Sample ' || pick(connection, 48, 40) || ')'
        end as user_agent
from sales"""

_LINES = """insert into raw.order_lines by name
with lines as (
    select o, k, sku_of(o, p, k) as sku, quantity_of(o, k) as quantity, fate
    from (select o, p, fate, unnest(range(lines_of(o))) as k from sales)
)
select cast(5000000000 + o as varchar) as order_id, cast(k + 1 as varchar) as line_id,
    'SKU-' || sku as sku, 'product-' || sku // 2 as product_id, 'Product ' || sku as title,
    'Category ' || sku // 20 % 12 as category, 'Vendor ' || sku % 20 as vendor, quantity,
    cents_of(sku) / 100 as unit_price, 0 as discount_amount, sku = 499 as is_gift_card,
    case when fate between 30 and 49 then quantity else 0 end as refunded_quantity
from lines"""

_DISCOUNTS = """insert into raw.order_discounts by name
with records as (
    select o, p, second, discount,
        case when pick(o, 21, 100) < 80 then 'code' when pick(o, 21, 100) < 90 then 'automatic'
            when pick(o, 21, 100) < 95 then 'manual' when pick(o, 21, 100) < 98 then 'script'
            else 'app' end as kind,
        case when campaign_at(second) < 12 and pick(o, 22, 100) < 60
            then campaign_code(p, campaign_at(second))
            when j = 0 then shared_code(3) else shared_code(pick(o, 25, 10)) end as code
    from sales where is_discounted
)
select cast(5000000000 + o as varchar) as order_id, kind, 0 as discount_index,
    case when kind = 'code' then code end as code,
    case when kind = 'code' then code else upper(kind) || ' 10%' end as title,
    'line_item' as target, discount / 100 as amount
from records
union all by name
select cast(5000000000 + o as varchar) as order_id, 'code' as kind, 1 as discount_index,
    shared_code(7) as code, shared_code(7) as title, 'shipping' as target, 5.99 as amount
from records where pick(o, 26, 100) < 3"""

_REFUNDS = """insert into raw.refunds by name select
    'refund-' || o as refund_id, cast(5000000000 + o as varchar) as order_id,
    instant(second + 200000) as refunded_at, refunded / 100 as amount
from sales where refunded > 0"""

# One person in twenty has an account and never bought.
_CUSTOMERS = """insert into raw.customers by name
with accounts as (
    select p, phone, country, town, greatest(first_second - pick(p, 60, 30 * 86400), 0) as second
    from people where has_account
    union all
    select p, null, 'US', pick(p, 9, 400), pick(p, 6, 1095 * 86400)
    from range(getvariable('people'), getvariable('people') * 21 // 20) as r(p)
)
select account_of(p) as customer_id, email_of(p) as email, phone_of(phone) as phone,
    ['Alex', 'Billie', 'Casey', 'Devon', 'Ellis', 'Frances', 'Gray', 'Harper'][1 + pick(p, 61, 8)]
        as first_name,
    'Sample' || pick(p, 62, 500) as last_name,
    instant(second) as created_at, country,
    ['AZ', 'CA', 'CO', 'CT', 'FL', 'GA', 'IL', 'MA', 'MI', 'MN', 'NC', 'NJ', 'NY', 'OH', 'OR',
     'PA', 'TN', 'TX', 'VA', 'WA'][1 + town % 20] as region,
    'Town ' || town as city, lpad(cast(10000 + town * 7 as varchar), 5, '0') as postal_code,
    consent_of(p, 63) as email_consent, instant(second) as email_consent_at,
    case when phone is null then 'never' else consent_of(p, 64) end as sms_consent,
    instant(second) as sms_consent_at
from accounts"""

_CHECKOUTS = """insert into raw.checkouts by name
select 'token-' || o as checkout_token, instant(second - 600) as created_at,
    instant(second) as updated_at, instant(second) as completed_at,
    case when has_account and not (is_guest and pick(o, 41, 2) = 0) then account_of(p) end
        as customer_id,
    email_of(p) as email, phone_of(phone) as phone, total / 100 as total_amount
from sales where o % 100 < 7
union all by name
select 'open-' || n as checkout_token, instant(second) as created_at,
    instant(second + 300) as updated_at, null as completed_at,
    case when has_account and pick(n, 70, 2) = 0 then account_of(p) end as customer_id,
    email_of(p) as email, phone_of(phone) as phone, pick(n, 71, 20000) / 100 as total_amount
from (
    select n, pick(n, 72, getvariable('people')) as p, pick(n, 73, 1095 * 86400) as second
    from range(getvariable('people') * 3 // 20) as r(n)
) inner join people using (p)"""

_CAMPAIGNS = """insert into raw.campaigns by name select
    'campaign-' || c as campaign_id, 'Campaign ' || c as name,
    case when c % 4 = 3 then 'FALL-[A-Z0-9]{6}' else shared_code(c) end as code_pattern,
    date '2023-11-22' + cast(c * 91 as integer) as starts_on,
    date '2023-11-22' + cast(c * 91 + 27 as integer) as ends_on
from range(12) as r(c)"""

_SENDS = """insert into raw.campaign_sends by name
select 'campaign-' || c as campaign_id, instant(c * 91 * 86400 + pick(n, 81, 86400)) as sent_at,
    case when has_account then account_of(p) end as customer_id, email_of(p) as email,
    campaign_code(p, c) as code
from (
    select n, n % 12 as c, pick(n, 80, getvariable('people')) as p
    from range(getvariable('people')) as r(n)
) inner join people using (p)"""

_OTHERS = (
    """insert into raw.referrals by name select
        account_of(pick(p, 90, getvariable('people'))) as referrer_customer_id,
        account_of(p) as referred_customer_id, instant(first_second) as referred_at
    from people where has_account and pick(p, 91, 50) = 0""",
    """insert into raw.loyalty_members by name select
        account_of(p) as customer_id,
        case when pick(p, 101, 10) = 0 then 'left' else 'active' end as status,
        ['bronze', 'silver', 'gold'][1 + pick(p, 102, 3)] as tier, pick(p, 103, 5000) as points,
        instant(first_second) as joined_at,
        case when pick(p, 101, 10) = 0 then instant((first_second + 1095 * 86400) // 2) end
            as left_at
    from people where has_account and pick(p, 100, 5) = 0""",
    """insert into raw.costs by name select
        'SKU-' || s as sku, cents_of(s) * (30 + pick(s, 110, 60)) / 10000 as unit_cost
    from range(500) as r(s) where s % 10 > 0""",
    """insert into raw.suppressions by name select
        email_of(p) as email, ['email', 'sms', 'ads', 'all'][1 + pick(p, 120, 4)] as channel,
        'opted out' as reason, instant(first_second) as since
    from people where pick(p, 121, 100) = 0""",
    """insert into raw.erasure_requests by name select
        email_of(p) as email, instant(1090 * 86400) as requested_at
    from people where pick(p, 130, 5000) = 0""",
    """insert into raw.phone_numbers by name select distinct
        phone_of(phone) as phone,
        case when phone % 100 > 0 then '+9995' || lpad(cast(phone as varchar), 9, '0') end as e164,
        'US' as region
    from people where phone is not null""",
    """insert into raw.rejected_rows select
        'orders', 'orders.csv', n, 'ordered_at is no date', '', ['ordered_at is no date']
    from range(100) as r(n)""",
)

STATEMENTS: tuple[str, ...] = (
    *_MACROS, _PEOPLE, _MOMENTS, _SALES, _ORDERS, _LINES, _DISCOUNTS, _REFUNDS, _CUSTOMERS,
    _CHECKOUTS, _CAMPAIGNS, _SENDS, *_OTHERS,
)  # fmt: skip
