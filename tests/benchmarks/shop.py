"""Makes a shop of any size, in SQL: what is published, and the order file it came from."""

from __future__ import annotations

from pathlib import Path

import duckdb

AS_OF = "date '2026-11-21'"

# Numbers 555-0100 to 555-0199 of each area code are kept free for fiction.
_FICTITIOUS_PHONES = 70_000

_CUSTOMERS = f"""create table customers as select
    'c' || n as customer_key,
    ['id' || n] as customer_ids,
    'buyer.' || n || '@mail.example' as email,
    case when n < {_FICTITIOUS_PHONES}
        then '+1' || (201 + n // 100) || '55501' || lpad(cast(n % 100 as varchar), 2, '0')
        end as phone,
    'Sam' as first_name, 'Sample' as last_name,
    'US' as country, 'NY' as region, 'New York' as city, '10001' as postal_code,
    'subscribed' as email_consent, 'subscribed' as sms_consent,
    {AS_OF} - cast(400 + n % 300 as integer) as first_order_on,
    case when n % 3 > 0 then {AS_OF} - cast(200 + n % 150 as integer) end as second_order_on,
    {AS_OF} - cast(n % 200 as integer) as last_order_on,
    1 + n % 12 as order_count,
    cast(20 + n % 180 as decimal(18, 2)) as average_order_value,
    ['buyers', 'hvc', 'lapsed_hvc'][1 + n % 3] as customer_segment,
    n % 2 = 0 as ever_used_discount_code,
    ['never', 'sometimes', 'always'][1 + n % 3] as discount_behavior,
    {AS_OF} as as_of,
    false as email_suppressed, false as sms_suppressed, false as ads_suppressed
from range($rows) as r(n)"""

_OTHERS = (
    """create table segment_periods as select 'buyers' as segment, customer_key,
        first_order_on as entered_on, cast(null as date) as exited_on from customers""",
    f"""create table segment_members as select segment, customer_key, entered_on,
        {AS_OF} as as_of from segment_periods""",
    """create table segment_catalog as select 'buyers' as segment, 'available' as status,
        cast(null as varchar) as reason""",
    """create table customer_identities as select customer_key, 'email' as id_type,
        email as id_value from customers""",
    f"""create table publication as select cast(uuid() as varchar) as publication_id,
        {AS_OF} as as_of, now() as published_at, 'America/New_York' as shop_timezone,
        'USD' as shop_currency""",
)

# Every hundredth customer is another one today.
CHANGED_EVERY = 100
_NEXT_DAY = (
    f"""update customers set ever_used_discount_code = not ever_used_discount_code
        where cast(substr(customer_key, 2) as bigint) % {CHANGED_EVERY} = 0""",
    "update publication set publication_id = cast(uuid() as varchar), published_at = now()",
)

ORDERS_EACH = 3
_ORDERS = f"""copy (select
        'o' || n as order_id,
        timestamp '2026-11-21 12:00:00' - to_seconds(n * 97 % 40000000) as ordered_at,
        cast(20 + n % 18000 / 100 as decimal(18, 2)) as total_amount,
        'id' || n // {ORDERS_EACH} as customer_id,
        'buyer.' || n // {ORDERS_EACH} || '@mail.example' as email,
        'paid' as financial_status, false as is_test, 'web' as source_name, 'USD' as currency,
        cast(n % 20 as decimal(18, 2)) as discount_amount,
        cast(5 as decimal(18, 2)) as shipping_amount,
        'US' as ship_country, 'NY' as ship_region, 'New York' as ship_city,
        '10001' as ship_postal_code
    from range($orders) as r(n)) to '$file' (header)"""


def publish(home: Path, rows: int) -> Path:
    """Publish a shop of so many customers in a home folder."""
    file = home / "published" / "segments.duckdb"
    file.parent.mkdir(parents=True)
    with duckdb.connect(str(file)) as con:
        con.execute(_CUSTOMERS, {"rows": rows})
        for statement in _OTHERS:
            con.execute(statement)
    return file


def publish_next_day(file: Path) -> None:
    """Publish again after something changed for every hundredth customer."""
    with duckdb.connect(str(file)) as con:
        for statement in _NEXT_DAY:
            con.execute(statement)


def write_orders(folder: Path, orders: int) -> Path:
    """Write a canonical order file."""
    folder.mkdir(parents=True)
    file = folder / "orders.csv"
    quoted = str(file).replace("'", "''")
    with duckdb.connect() as con:
        con.execute(_ORDERS.replace("$file", quoted).replace("$orders", str(orders)))
    return file
