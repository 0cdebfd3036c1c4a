-- The published tables of a shop as one script, written for speed: the yardstick of the dbt project, which computes the
-- same rows model by model. Rules of the default variables are written into it, those of seeds/reference are read.
-- It runs in the database that takes the result, with `source` (the raw schema, read only) attached and the variables
-- `as_of` and `reference` set. Numbers stand for orders (oid), customers (cust), codes and products until the end.
-- Left out: segment_catalog, source_quality and erasures, which are small and say nothing about customers.

set variable ends_at = (getvariable('as_of') + 1)::timestamp at time zone 'America/New_York';

create temp macro as_of() as getvariable('as_of');
create temp macro ends_at() as getvariable('ends_at');
create temp macro local_day(moment) as cast(moment at time zone 'America/New_York' as date);
create temp macro text_of(x) as nullif(trim(x), '');
create temp macro email_of(x) as case
  when regexp_full_match(x, '[a-z0-9._%+-]+@[a-z0-9-]+([.][a-z0-9-]+)*[.][a-z0-9-]{2,}') then x
  else nullif(regexp_extract(regexp_replace(lower(nullif(regexp_replace(regexp_replace(x,
    '[\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]', '', 'g'), '^[\s\x{00A0}]+|[\s\x{00A0}]+$', '', 'g'), '')),
    '[\s\x{00A0}]*@[\s\x{00A0}]*', '@', 'g'),
    '^[^@\s\x{00A0},;<>()"]+@[^@\s\x{00A0},;<>()"]+[.][^@\s\x{00A0}.,;<>()"]{2,}$'), '')
end;
create temp macro name_of(x) as nullif(regexp_replace(regexp_replace(x,
  '[\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]', '', 'g'), '^[\s\x{00A0}]+|[\s\x{00A0}]+$', '', 'g'), '');
create temp macro has_tag(tags, words) as
  coalesce(regexp_matches(lower(tags), '(^|,) *(' || words || ') *(,|$)'), false);
create temp macro left_on(day) as case when day <= as_of() then day end;
create temp macro has(t, c) as coalesce(
  (select bool_or(present) from source.raw.source_columns where table_name = t and (c is null or column_name = c)), false);

-- ---- who is one customer -----------------------------------------------------------------------------------------

-- Every combination of account, address and phone as written, once: cleaning and joining are paid once a combination.
create temp table combos as
select row_number() over () as combo, *
from (
  select 1 as source, customer_id, email, phone, min(ordered_at) as first_at, max(ordered_at) as last_at
  from source.raw.orders where ordered_at < ends_at() group by customer_id, email, phone
  union all
  select 0, customer_id, email, phone, coalesce(created_at, timestamptz '0001-01-01 00:00:00+00'),
    coalesce(created_at, timestamptz '0001-01-01 00:00:00+00')
  from source.raw.customers where created_at is null or created_at < ends_at()
  union all
  select 2, customer_id, email, phone, min(created_at), max(created_at)
  from source.raw.checkouts where created_at < ends_at() group by customer_id, email, phone
);

create temp table cleaned as
select combo, source, first_at, last_at,
  case when source = 0 then trim(customer_id) else text_of(customer_id) end as account,
  case when not regexp_matches(address, '(^no-?reply@)|(^do-?not-?reply@)|(@marketplace[.]amazon[.])|(@members[.]ebay[.])|(@relay[.])')
    then address end as email,
  e164 as phone
from (select *, email_of(email) as address from combos) as addressed
left join source.raw.phone_numbers on phone_numbers.phone = addressed.phone;

create temp table emails as
select email, cast(row_number() over () as integer) as e from (select distinct email from cleaned where email is not null);
create temp table accounts as
select account, cast(row_number() over () as integer) as a from (select distinct account from cleaned where account is not null);
create temp table phones as
select phone, cast(row_number() over () as integer) as p from (select distinct phone from cleaned where phone is not null);

create temp table numbered as
select combo, source, a, e, p, first_at, last_at
from cleaned
left join emails using (email)
left join accounts using (account)
left join phones using (phone);

create temp table pairs as select distinct a, e from numbered where a is not null and e is not null;
create temp table shared_accounts as select a from pairs group by a having count(*) > 20;
create temp table anchors as select a, min(e) as e from pairs anti join shared_accounts using (a) group by a;

-- Addresses that an account joins, over any number of steps: smallest number of each group, by pointer jumping.
create temp table email_roots as
with recursive links as materialized (
  select anchors.e as a, pairs.e as b from pairs inner join anchors using (a) where pairs.e <> anchors.e
),
edges as materialized (select distinct a, b from (select a, b from links union all select b, a from links)),
rounds (is_edge, a, b) as (
  select true, a, b from edges
  union all
  (
    with edges_now as materialized (select a, b from rounds where is_edge),
    pointers as materialized (select a as node, least(a, min(b)) as parent from edges_now group by a),
    leaps as materialized (
      select pointers.node, further.parent from pointers inner join pointers as further on further.node = pointers.parent
    ),
    half as materialized (select leaps.parent as a, edges_now.b from edges_now inner join leaps on leaps.node = edges_now.a),
    moved as materialized (select half.a, leaps.parent as b from half inner join leaps on leaps.node = half.b)
    select false, node, parent from leaps where node <> parent
    union all
    select distinct true, a, b from moved where a <> b
  )
),
pointers as materialized (select distinct a as node, b as parent from rounds where not is_edge),
ancestors (node, ancestor) as (
  select node, parent from pointers
  union
  select ancestors.node, pointers.parent from ancestors inner join pointers on pointers.node = ancestors.ancestor
)
select node as e, min(ancestor) as root from ancestors group by node having min(ancestor) < node;

-- A component's or a person's number ends with its kind: 0 addresses, 1 an account, 2 a phone, 3 a cluster of phones.
create temp table components as
select combo, source, first_at, last_at, anchored.e, p, a,
  cast(case
    when anchor is not null then 4 * cast(coalesce(root, anchor) as bigint)
    when a is not null then 4 * cast(a as bigint) + 1
    when p is not null then 4 * cast(p as bigint) + 2
  end as bigint) as component
from (
  select combo, source, first_at, last_at, numbered.e, p,
    case when shared_accounts.a is null then numbered.a end as a,
    coalesce(numbered.e, anchors.e) as anchor
  from numbered
  left join shared_accounts on shared_accounts.a = numbered.a
  left join anchors on anchors.a = numbered.a
) as anchored
left join email_roots on email_roots.e = anchored.anchor
where component is not null;

create temp table phones_of as select distinct component, p from components where p is not null;
create temp table shared_phones as select p from phones_of where component % 4 <> 2 group by p having count(*) > 20;
create temp table personal_phones as select * from phones_of anti join shared_phones using (p);
create temp table without_email as
select component, min(p) as p from personal_phones where component % 4 > 0 group by component;

create temp table phone_roots as
with recursive links as materialized (
  select without_email.p as a, personal_phones.p as b
  from personal_phones inner join without_email using (component) where personal_phones.p <> without_email.p
),
edges as materialized (select distinct a, b from (select a, b from links union all select b, a from links)),
rounds (is_edge, a, b) as (
  select true, a, b from edges
  union all
  (
    with edges_now as materialized (select a, b from rounds where is_edge),
    pointers as materialized (select a as node, least(a, min(b)) as parent from edges_now group by a),
    leaps as materialized (
      select pointers.node, further.parent from pointers inner join pointers as further on further.node = pointers.parent
    ),
    half as materialized (select leaps.parent as a, edges_now.b from edges_now inner join leaps on leaps.node = edges_now.a),
    moved as materialized (select half.a, leaps.parent as b from half inner join leaps on leaps.node = half.b)
    select false, node, parent from leaps where node <> parent
    union all
    select distinct true, a, b from moved where a <> b
  )
),
pointers as materialized (select distinct a as node, b as parent from rounds where not is_edge),
ancestors (node, ancestor) as (
  select node, parent from pointers
  union
  select ancestors.node, pointers.parent from ancestors inner join pointers on pointers.node = ancestors.ancestor
)
select node as p, min(ancestor) as root from ancestors group by node having min(ancestor) < node;

create temp table moved_people as
with clusters as (
  select distinct personal_phones.p, coalesce(phone_roots.root, personal_phones.p) as cluster
  from personal_phones left join phone_roots using (p)
  where component % 4 > 0
),
claims as (
  select cluster, min(component) as component
  from clusters inner join personal_phones using (p)
  where component % 4 = 0
  group by cluster
  having min(component) = max(component)
)
select without_email.component, coalesce(claims.component, 4 * cast(clusters.cluster as bigint) + 3) as person
from without_email
inner join clusters using (p)
left join claims using (cluster);

create temp table sightings as
select combo, source, first_at, last_at, e, a,
  case when shared_phones.p is null then components.p end as p,
  component % 4 = 2 as is_phone_only,
  coalesce(moved_people.person, component) as person
from components
left join shared_phones on shared_phones.p = components.p
left join moved_people using (component)
where not (component % 4 = 2 and shared_phones.p is not null);

-- Every identifier of every known person; an address or an account belongs to one person, a phone may to several.
create temp table identifiers as
with known as (select distinct person from sightings where source < 2),
found as (
  select 1 as kind, e as id, any_value(person) as person, min(first_at) as first_at, max(last_at) as last_at,
    max(last_at) filter (where source = 1) as ordered_at, true as resolves
  from sightings where e is not null group by e
  union all
  select 2, p, person, min(first_at), max(last_at), max(last_at) filter (where source = 1), bool_or(is_phone_only)
  from sightings where p is not null group by p, person
  union all
  select 3, a, any_value(person), min(first_at), max(last_at), max(last_at) filter (where source = 1), true
  from sightings where a is not null group by a
)
select * from found semi join known using (person);

-- Of several people with one phone it names the one who had it first; text decides between equals, as in the models.
create temp table other_peoples_phones as
with several as (
  select id from identifiers where kind = 2 group by id having count(*) > 1
),
names as (
  select component as person,
    case component % 4 when 0 then 'email:' || min(emails.email) else 'customer_id:' || min(accounts.account) end as text
  from components
  left join emails on emails.e = components.e
  left join accounts on accounts.a = components.a
  where component in (select person from identifiers where kind = 2 and id in (from several))
  group by component
  union all
  select moved_people.person, 'cluster:' || min(phones.phone)
  from moved_people inner join personal_phones using (component) inner join phones using (p)
  where moved_people.person % 4 = 3
  group by moved_people.person
)
select id, person
from identifiers
inner join names using (person)
where kind = 2 and id in (from several)
qualify row_number() over (partition by id order by first_at, text) > 1;

-- The key is made of the identifier seen first.
create temp table keys as
with own as (
  select kind, id, person, epoch_us(first_at) * 4 + kind as rank
  from identifiers
  anti join other_peoples_phones
    on other_peoples_phones.id = case when identifiers.kind = 2 then identifiers.id end and other_peoples_phones.person = identifiers.person
),
first_of as (select person, min(rank) as rank from own group by person),
first_ids as (
  select own.* from own semi join first_of on first_of.person = own.person and first_of.rank = own.rank
),
named as (
  select person, kind, min(text) as text from (
    select person, kind, email as text from first_ids inner join emails on e = id where kind = 1
    union all
    select person, kind, phone from first_ids inner join phones on p = id where kind = 2
    union all
    select person, kind, account from first_ids inner join accounts on a = id where kind = 3
  ) group by person, kind
)
select cast(row_number() over () as integer) as cust, person, customer_key
from (
  select person,
    'c_' || left(sha256('customer_key|' || case kind when 1 then 'email' when 2 then 'phone' else 'customer_id' end || '|' || text), 20) as customer_key
  from named
  union all
  select person, min('c_' || left(sha256('customer_key|shared_phone|' || phones.phone), 20))
  from identifiers inner join phones on phones.p = identifiers.id
  where kind = 2 and person not in (select person from own)
  group by person
);

create temp table ids as
select cust, kind, id, last_at, ordered_at, resolves from identifiers inner join keys using (person);

create temp table phone_owners as select id as p, cust from ids where kind = 2 and resolves;

create temp table owners as
select sightings.combo, source, coalesce(keys.cust, phone_owners.cust) as cust, e, sightings.p, a
from sightings
left join keys using (person)
left join phone_owners on phone_owners.p = case when keys.cust is null then sightings.p end;

-- ---- accounts, contacts, who must not be reached -----------------------------------------------------------------

create temp table platform as
select owners.cust, trim(customers.customer_id) as customer_id, owners.e, owners.p,
  coalesce(ids.last_at, customers.created_at) as last_at,
  name_of(first_name) as first_name, name_of(last_name) as last_name,
  local_day(created_at) as created_on,
  text_of(country) as country, text_of(region) as region, text_of(city) as city, text_of(postal_code) as postal_code,
  lower(text_of(email_consent)) as email_consent, email_consent_at,
  lower(text_of(sms_consent)) as sms_consent, sms_consent_at, tags,
  row_number() over (partition by owners.cust order by coalesce(ids.last_at, customers.created_at) desc nulls last, trim(customers.customer_id) desc) as recency
from source.raw.customers
inner join combos on combos.source = 0 and combos.customer_id = customers.customer_id
inner join owners on owners.combo = combos.combo and owners.cust is not null
left join ids on ids.kind = 3 and ids.id = owners.a;

create temp table erasures as
select text_of(customer_id) as account, email_of(email) as email, e164 as phone
from (
  select customer_id, email, phone from source.raw.erasure_requests
  union all
  select customer_id, email, null from source.raw.renewed_requests
) as asked
left join source.raw.phone_numbers on phone_numbers.phone = asked.phone;

create temp table suppressed as
with named as (
  select email_of(email) as email, e164 as phone, lower(text_of(channel)) as channel
  from source.raw.suppressions left join source.raw.phone_numbers on phone_numbers.phone = suppressions.phone
),
blocked as (
  select 1 as kind, e as id, channel, false as is_erasure from named inner join emails using (email)
  union all
  select 2, p, channel, false from named inner join phones using (phone)
  union all
  select 1, e, 'all', true from erasures inner join emails using (email)
  union all
  select 2, p, 'all', true from erasures inner join phones using (phone)
  union all
  select 3, a, 'all', true from erasures inner join accounts using (account)
  union all
  select 3, a, 'all', true from accounts
  where starts_with(account, 'forgotten-')
    and regexp_full_match(account, 'forgotten-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
)
select cust,
  bool_or(coalesce(channel not in ('sms', 'ads'), true)) as no_email,
  bool_or(coalesce(channel not in ('email', 'ads'), true)) as no_sms,
  bool_or(coalesce(channel not in ('email', 'sms'), true)) as no_ads,
  bool_or(is_erasure) as is_erased
from ids inner join blocked using (kind, id)
group by cust;

create temp table erased as select cust from suppressed where is_erased;

create table customer_identities as
select customer_key, id_type, id_value
from (
  select cust, 'email' as id_type, email as id_value from ids inner join emails on e = id where kind = 1
  union all
  select cust, 'phone', phone from ids inner join phones on p = id where kind = 2
  union all
  select cust, 'customer_id', account from ids inner join accounts on a = id where kind = 3
)
anti join erased using (cust)
inner join keys using (cust);

-- What the most recently seen account holds, else the latest order, else what was seen last.
create temp table contacts as
with held as (
  select 1 as kind, cust, e as id, max(last_at) as last_at from platform where e is not null group by cust, e
  union all
  select 2, cust, p, max(last_at) from platform where p is not null group by cust, p
),
ranked as (
  select ids.cust, ids.kind, ids.id,
    case when held.cust is not null then 1 when ids.ordered_at is not null then 2 else 3 end as choice,
    case when held.cust is not null then held.last_at else coalesce(ids.ordered_at, ids.last_at) end as moment
  from ids left join held using (kind, cust, id)
  where kind < 3
),
counted as (
  select cust, kind, any_value(id) as id, count(*) as n from ranked group by cust, kind
),
chosen as (
  select cust, kind, id from counted where n = 1
  union all
  select ranked.cust, ranked.kind, ranked.id
  from ranked
  semi join (select cust, kind from counted where n > 1) as several using (cust, kind)
  left join emails on emails.e = case when ranked.kind = 1 then ranked.id end
  left join phones on phones.p = case when ranked.kind = 2 then ranked.id end
  qualify row_number() over (
    partition by ranked.cust, ranked.kind order by choice, moment desc nulls last, coalesce(emails.email, phones.phone)) = 1
)
select cust, max(id) filter (where kind = 1) as e, max(id) filter (where kind = 2) as p from chosen group by cust;

create temp table profiles as
select cust,
  arg_min({f: first_name, l: last_name}, recency) filter (where first_name is not null or last_name is not null) as name,
  arg_min({c: country, r: region, t: city, z: postal_code}, recency)
    filter (where coalesce(country, region, city, postal_code) is not null) as home,
  min(created_on) as created_on,
  min(signed_up_on) as signed_up_on
from (
  select *, nullif(least(
    coalesce(case when created_on <= as_of() then created_on end, date '9999-12-31'),
    coalesce(case when email_consent in ('subscribed', 'pending') and email_consent_at < ends_at() then local_day(email_consent_at) end, date '9999-12-31'),
    coalesce(case when sms_consent in ('subscribed', 'pending') and sms_consent_at < ends_at() then local_day(sms_consent_at) end, date '9999-12-31')
  ), date '9999-12-31') as signed_up_on
  from platform
)
group by cust;

create temp table consents as
with words as (
  select cust, email_consent, email_consent_at, sms_consent, sms_consent_at, count(*) over (partition by cust) as n
  from platform
)
select cust, email_consent, sms_consent, email_on from (
  select cust,
    case when email_consent in ('unsubscribed', 'never', 'pending', 'subscribed') then email_consent end as email_consent,
    case when sms_consent in ('unsubscribed', 'never', 'pending', 'subscribed') then sms_consent end as sms_consent,
    case when email_consent in ('unsubscribed', 'never', 'pending', 'subscribed') then local_day(email_consent_at) end as email_on
  from words where n = 1
  union all
  select cust,
    max(consent) filter (where is_email), max(consent) filter (where not is_email), max(local_day(given_at)) filter (where is_email)
  from (
    select cust, is_email, consent, given_at
    from (
      select cust, true as is_email, email_consent as consent, email_consent_at as given_at from words where n > 1
      union all
      select cust, false, sms_consent, sms_consent_at from words where n > 1
    )
    where consent in ('unsubscribed', 'never', 'pending', 'subscribed')
    qualify row_number() over (partition by cust, is_email order by given_at desc nulls last,
      list_position(['unsubscribed', 'never', 'pending', 'subscribed'], consent)) = 1
  )
  group by cust
);

-- ---- orders ------------------------------------------------------------------------------------------------------

create temp table order_owners as
select customer_id, email, phone, cust from combos left join owners using (combo) where combos.source = 1;

create temp table products as
select cast(row_number() over () as integer) as pid, * from (
  select hash(sku, product_id, category, vendor) as product,
    any_value(upper(text_of(sku))) as sku, any_value(text_of(product_id)) as product_id,
    any_value(text_of(category)) as category, any_value(text_of(vendor)) as vendor
  from source.raw.order_lines group by product
);
create temp table product_facts as
select products.*, costs.unit_cost, category is not null as has_category,
  cast(dense_rank() over (order by vendor nulls last) as integer) as vid
from products
left join (select upper(trim(sku)) as sku, max(unit_cost) as unit_cost from source.raw.costs group by upper(trim(sku))) as costs using (sku);

create temp table lines as
select oid, case when not is_gift_card then pid end as pid, unit_price, is_gift_card, quantity > 0 and not is_gift_card as was_bought,
  case when is_gift_card then 0 else kept end as kept_quantity,
  case
    when kept > 0 and kept = quantity then cast(unit_price * quantity - discount_amount as decimal(18, 4))
    when kept > 0 then cast((unit_price * quantity - discount_amount) * kept / quantity as decimal(18, 4))
  end as kept_amount,
  case when not is_gift_card then unit_cost end as unit_cost,
  not is_gift_card and has_category and kept > 0 as has_category,
  line
from (
  select orders.rowid as oid, pid, unit_cost, has_category, unit_price, order_lines.rowid as line,
    coalesce(quantity, 1) as quantity, coalesce(order_lines.discount_amount, 0) as discount_amount,
    coalesce(is_gift_card, false) as is_gift_card, coalesce(refunded_quantity, 0) as refunded,
    case when coalesce(quantity, 1) <= 0 then 0 else greatest(coalesce(quantity, 1) - coalesce(refunded_quantity, 0), 0) end as kept
  from source.raw.order_lines
  inner join source.raw.orders using (order_id)
  inner join product_facts on product_facts.product = hash(order_lines.sku, order_lines.product_id, order_lines.category, order_lines.vendor)
);

create temp table goods as
select oid,
  bool_and(is_gift_card) as is_gift_card_only,
  cast(coalesce(sum(kept_amount), 0) as decimal(18, 4)) as kept_amount,
  cast(coalesce(sum(kept_amount) filter (where unit_cost is not null), 0) as decimal(18, 4)) as costed_amount,
  coalesce(bool_and(unit_cost is not null) filter (where kept_quantity > 0), true) as is_costed,
  cast(coalesce(sum(cast(kept_quantity * unit_cost as decimal(18, 4))), 0) as decimal(18, 4)) as goods_cost,
  max(unit_price) filter (where kept_quantity > 0) as highest_unit_price,
  bool_or(has_category) as has_category
from lines group by oid;

create temp table discounts as
select orders.rowid as oid, lower(text_of(kind)) as kind, upper(text_of(code)) as code, discount_index,
  lower(text_of(target)) as target, amount
from source.raw.order_discounts inner join source.raw.orders using (order_id)
where kind is null or lower(trim(kind)) not like 'gift%card';

create temp table discounted as
with summed as (
  select oid, min(kind) as kind, max(kind) as last_kind, min(code) as code, max(code) as last_code,
    coalesce(bool_or(kind = 'code'), false) as has_code,
    min(code) filter (where kind = 'code') as first_code, max(code) filter (where kind = 'code') as other_code,
    cast(sum(amount) filter (where target is null or target <> 'shipping') as decimal(18, 4)) as merchandise_amount
  from discounts group by oid
),
several as (
  select oid,
    coalesce(list_sort(list(distinct kind) filter (where kind is not null)), cast([] as varchar[])) as kinds,
    coalesce(list_sort(list(distinct code) filter (where code is not null)), cast([] as varchar[])) as codes,
    arg_min(code, (coalesce(discount_index, 2147483647), code)) filter (where kind = 'code' and code is not null) as first_code
  from discounts
  where oid in (select oid from summed where kind <> last_kind or code <> last_code)
  group by oid
)
select summed.oid, has_code, merchandise_amount,
  case when several.oid is not null then several.first_code else summed.first_code end as first_code,
  coalesce(kinds, case when kind is null then cast([] as varchar[]) else [kind] end) as kinds,
  coalesce(codes, case when code is null then cast([] as varchar[]) else [code] end) as codes
from summed left join several using (oid);

create temp table refunded as
select orders.rowid as oid, cast(sum(amount) as decimal(18, 4)) as amount
from source.raw.refunds inner join source.raw.orders using (order_id) group by all;

-- A day begins at a whole hour nearly always; where it does not, the moment itself is asked.
create temp table hours as
select hour, case when local_day(make_timestamptz(hour * 3600000000)) = local_day(make_timestamptz(hour * 3600000000 + 3599999999))
  then local_day(make_timestamptz(hour * 3600000000)) end as day
from (
  select unnest(range(min(epoch_us(ordered_at)) // 3600000000 - 1, max(epoch_us(ordered_at)) // 3600000000 + 2)) as hour
  from source.raw.orders where ordered_at between timestamptz '2000-01-01' and ends_at()
);

create temp table places as
select cast(row_number() over () as integer) as place, * from (
  select hash(ship_country, ship_region, ship_city) as spelling,
    any_value(text_of(ship_country)) as country, any_value(text_of(ship_region)) as region, any_value(text_of(ship_city)) as city
  from source.raw.orders group by spelling
);
create temp table regions as
select place, cast(dense_rank() over (order by country nulls last, region nulls last) as integer) as region_id,
  cast(dense_rank() over (order by country nulls last) as integer) as country_id, country, region, city,
  coalesce(country, region, city) is not null as is_place, spelling
from places;

create temp type reason as enum ('test', 'cancelled', 'voided', 'zero_value', 'gift_card_only', 'wholesale', 'draft', 'fully_refunded');

-- Orders stay on the side that is read through; what is joined to them is smaller, as written.
set disabled_optimizers = 'join_order,build_side_probe_side';

create temp table sold as
with joined as (
  select orders.rowid as oid, orders.order_id, owners.cust, orders.ordered_at,
    coalesce(hours.day, local_day(orders.ordered_at)) as ordered_on,
    regions.place, region_id, is_place or text_of(ship_postal_code) is not null as has_address,
    orders.total_amount,
    orders.gross_amount as given_gross, orders.shipping_amount, orders.tax_amount,
    cast(coalesce(orders.discount_amount, merchandise_amount, 0) as decimal(18, 4)) as discount_amount,
    cast(case
      when lower(trim(financial_status)) = 'refunded' and orders.refunded_amount is null and refunded.amount is null
        then coalesce(orders.total_amount, 0)
      else greatest(coalesce(orders.refunded_amount, 0), coalesce(refunded.amount, 0))
    end as decimal(18, 4)) as refunded_amount,
    coalesce(has_code, false) as has_code, discounted.oid is not null as has_discount, first_code,
    coalesce(is_gift_card_only, false) as is_gift_card_only,
    case when goods.kept_amount > 0 then least(goods.costed_amount / goods.kept_amount, 1) when is_costed then 1 else 0 end as costed_share,
    coalesce(goods_cost, 0) as goods_cost, highest_unit_price, coalesce(has_category, false) as has_category,
    coalesce(is_test, false) as is_test, cancelled_at is not null as is_cancelled,
    lower(trim(financial_status)) as financial_status, lower(trim(source_name)) as source_name, tags
  from source.raw.orders
  inner join order_owners as owners on owners.customer_id is not distinct from orders.customer_id
    and owners.email is not distinct from orders.email and owners.phone is not distinct from orders.phone
  left join hours on hours.hour = epoch_us(orders.ordered_at) // 3600000000
  left join regions on regions.spelling = hash(orders.ship_country, orders.ship_region, orders.ship_city)
  left join discounted on discounted.oid = orders.rowid
  left join refunded on refunded.oid = orders.rowid
  left join goods on goods.oid = orders.rowid
  where orders.ordered_at < ends_at()
),
gross as (
  select *, cast(coalesce(given_gross, total_amount - coalesce(shipping_amount, 0) - coalesce(tax_amount, 0) + discount_amount) as decimal(18, 4)) as gross_amount
  from joined
),
net as (
  select *, cast(gross_amount - discount_amount - refunded_amount as decimal(18, 4)) as net_amount from gross
)
select oid, order_id, cust, ordered_at, ordered_on, place, region_id, has_address,
  gross_amount, discount_amount, refunded_amount, net_amount,
  cast(net_amount - (goods_cost
    + case when costed_share < 1 then greatest(net_amount, 0) * (1 - costed_share) * 0.5 else 0 end
    + 0 + 0 * total_amount) as decimal(18, 4)) as contribution,
  costed_share, has_code, has_discount, first_code, highest_unit_price, has_category,
  coalesce(source_name in ('subscription_contract', 'subscription_contract_checkout_one'), false)
    or has_tag(tags, 'subscription recurring order') as is_recurring,
  cast(case
    when is_test then 'test'
    when is_cancelled then 'cancelled'
    when financial_status = 'voided' then 'voided'
    when total_amount <= 0 then 'zero_value'
    when is_gift_card_only then 'gift_card_only'
    when source_name in ('wholesale', 'b2b') or has_tag(tags, 'wholesale|b2b') then 'wholesale'
    when financial_status = 'draft' or source_name = 'draft' then 'draft'
    when total_amount > 0 and refunded_amount >= total_amount then 'fully_refunded'
  end as reason) as invalid_reason
from net;

reset disabled_optimizers;

-- Orders that count, one after the other. Everything about days follows from the last row of each.
create temp table counted as
select oid, cust, ordered_at, ordered_on, region_id, place, has_address,
  gross_amount, discount_amount, refunded_amount, net_amount, contribution, costed_share,
  has_code, has_discount, first_code, highest_unit_price, has_category, is_recurring,
  cast(row_number() over history as integer) as n,
  cast(sum(cast(has_code as integer)) over history as integer) as codes,
  cast(sum(net_amount) over history as decimal(18, 4)) as spend,
  cast(sum(contribution) over history as decimal(18, 4)) as earned,
  count(*) filter (where contribution is null) over history as unknown,
  lead(ordered_on) over history as next_order_on
from sold
where cust is not null and invalid_reason is null
window history as (partition by cust order by ordered_at, order_id rows unbounded preceding);

create temp type stage as enum ('single', 'multi', 'hvc');

create temp table days as
select cust, ordered_on, next_order_on as next_on, n, codes, spend,
  case when unknown = 0 then earned end as earned,
  case when n >= 3 then cast('hvc' as stage) when n >= 2 then cast('multi' as stage) else cast('single' as stage) end as tier,
  n >= 2 and codes = n as is_coded,
  cast(spend / n as decimal(18, 6)) as per_order
from counted
where next_order_on is null or next_order_on > ordered_on
order by cust, ordered_on;

create temp table buyers as
select cust,
  min(ordered_on) as first_on,
  min(ordered_on) filter (where n = 2) as second_on,
  max(ordered_on) as last_on,
  count(*) as orders,
  cast(sum(gross_amount) as decimal(18, 4)) as gross, cast(sum(net_amount) as decimal(18, 4)) as net,
  cast(sum(discount_amount) as decimal(18, 4)) as discount, cast(sum(refunded_amount) as decimal(18, 4)) as refunded,
  arg_max(first_code, n) filter (where first_code is not null) as last_code,
  arg_max(oid, n) filter (where has_address) as address_oid,
  arg_max(oid, n) filter (where has_category) as category_oid,
  min(ordered_on) filter (where has_code) as code_on,
  min(ordered_on) filter (where has_discount) as discount_on,
  bool_or(has_code and n = 1) as began_with_code,
  count(*) filter (where has_code) as codes,
  bool_or(has_discount) as has_discount, bool_or(is_recurring) as is_subscriber,
  max(highest_unit_price) as highest_unit_price,
  case when count(contribution) = count(*) then cast(sum(contribution) as decimal(18, 4)) end as contribution,
  cast(sum(cast(net_amount * costed_share as decimal(18, 4))) as decimal(18, 4)) / nullif(cast(sum(net_amount) as decimal(18, 4)), 0) as cost_coverage,
  any_value(net_amount) filter (where n = 1) as first_amount
from counted group by cust;

create temp table known as
select keys.cust, keys.customer_key, first_on, address_oid, name, home, signed_up_on,
  coalesce(least(profiles.created_on, placed.ordered_on), (select coalesce(min(ordered_on), as_of()) from sold)) as known_from
from keys
left join profiles using (cust)
left join (select cust, min(ordered_on) as ordered_on from sold where cust is not null group by cust) as placed using (cust)
left join buyers using (cust);

create table orders as
select orders.order_id, customer_key, sold.ordered_on, orders.ordered_at, invalid_reason is null as is_valid,
  cast(invalid_reason as varchar) as invalid_reason, n as order_number, upper(text_of(currency)) as currency,
  cast(sold.gross_amount as decimal(18, 2)) as gross_amount, cast(sold.discount_amount as decimal(18, 2)) as discount_amount,
  cast(orders.shipping_amount as decimal(18, 2)) as shipping_amount, cast(orders.tax_amount as decimal(18, 2)) as tax_amount,
  cast(sold.refunded_amount as decimal(18, 2)) as refunded_amount, cast(orders.total_amount as decimal(18, 2)) as total_amount,
  cast(sold.net_amount as decimal(18, 2)) as net_amount,
  case when has('order_discounts', null) then coalesce(kinds, cast([] as varchar[])) end as discount_kinds,
  case when has('order_discounts', null) then coalesce(discounted.codes, cast([] as varchar[])) end as discount_codes,
  case when has('order_discounts', null) then sold.has_code end as has_code,
  lower(text_of(source_name)) as source_name, lower(text_of(financial_status)) as financial_status,
  text_of(ship_country) as ship_country, text_of(ship_region) as ship_region,
  case when erased.cust is null then text_of(ship_city) end as ship_city,
  case when erased.cust is null then text_of(ship_postal_code) end as ship_postal_code
from source.raw.orders
inner join (
  select oid, cust, ordered_on, null as invalid_reason, gross_amount, discount_amount, refunded_amount, net_amount, has_code, n from counted
  union all
  select oid, cust, ordered_on, invalid_reason, gross_amount, discount_amount, refunded_amount, net_amount, has_code, null
  from sold where cust is null or invalid_reason is not null
) as sold on sold.oid = orders.rowid
left join keys on keys.cust = sold.cust
left join erased on erased.cust = sold.cust
left join discounted on discounted.oid = sold.oid;

-- ---- rules of seeds/reference ------------------------------------------------------------------------------------

create temp table families as
select text_of(family) as family, text_of(pattern) as pattern,
  coalesce(lower(text_of(once_per_customer)) = 'true', false) as is_once, coalesce(lower(text_of(is_referral)) = 'true', false) as is_referral
from read_csv(getvariable('reference') || '/code_families.csv', all_varchar = true, header = true);
create temp table spend_tiers as
select text_of(tier) as tier, 'spend_' || text_of(tier) as segment, cast(text_of(starts_at) as decimal(18, 4)) as starts_at,
  lead(cast(text_of(starts_at) as decimal(18, 4))) over (order by cast(text_of(starts_at) as decimal(18, 4))) as next_starts_at
from read_csv(getvariable('reference') || '/spend_tiers.csv', all_varchar = true, header = true);
create temp table ladder as
select cast(text_of(lifecycle_tier) as stage) as tier, cast(text_of(step) as integer) as step, cast(text_of(min_days) as integer) as min_days,
  lead(cast(text_of(min_days) as integer)) over (partition by text_of(lifecycle_tier) order by cast(text_of(step) as integer)) as next_min_days,
  upper(text_of(offer_code)) as offer_code, 'discount_ladder_step_' || text_of(step) as segment
from read_csv(getvariable('reference') || '/discount_ladder.csv', all_varchar = true, header = true);
create temp table count_rules as
select text_of(segment) as segment, cast(text_of(min_orders) as integer) as min_orders, cast(text_of(max_orders) as integer) as max_orders
from read_csv(getvariable('reference') || '/order_count_rules.csv', all_varchar = true, header = true);
create temp table place_rules as
select text_of(segment) as segment, lower(text_of(country)) as country, lower(text_of(region)) as region, lower(text_of(city)) as city
from read_csv(getvariable('reference') || '/place_rules.csv', all_varchar = true, header = true);
create temp table product_rules as
select text_of(segment) as segment, text_of(bought_any_of) as bought, text_of(never_any_of) as never,
  cast(text_of(min_unit_price) as decimal(18, 4)) as min_price, cast(text_of(within_days) as integer) as within_days
from read_csv(getvariable('reference') || '/product_rules.csv', all_varchar = true, header = true);
create temp table product_sets as
select text_of(product_set) as product_set, text_of(field) as field, lower(text_of(value)) as value
from read_csv(getvariable('reference') || '/product_sets.csv', all_varchar = true, header = true);

create temp table campaigns as
select *, 'campaign_' || slug || case when count(*) over (partition by slug) > 1 then '_' || left(md5(campaign_id), 4) else '' end as prefix,
  ends_on + 1 as closes_on
from (
  select campaign_id, coalesce(text_of(name), campaign_id) as name, text_of(code_pattern) as pattern, starts_on, ends_on,
    trim(regexp_replace(lower(campaign_id), '[^a-z0-9]+', '_', 'g'), '_') as slug
  from source.raw.campaigns where starts_on <= as_of()
);

-- The ten states of the lifecycle come first.
create temp type segment as enum (
  select segment from (
    select 0 as rank, unnest(['active_single', 'active_multi', 'active_hvc', 'churning_single', 'churning_multi', 'churning_hvc',
      'lapsed_single', 'lapsed_multi', 'lapsed_hvc', 'non_buyer']) as segment
    union all select 1, unnest(['new_multi_buyer', 'new_hvc', 'new_churning_hvc', 'new_lapsed_hvc', 'won_back',
      'recent_hvc_event', 'ever_used_discount_code', 'other_discount_only', 'full_price_only', 'first_order_discounted',
      'redeemed_this_month', 'only_with_discount', 'coupon_abuser', 'abandoned_cart', 'abandoned_cart_offer', 'signed_up_this_week',
      'new_contact', 'subscriber_not_purchased', 'loyalty_member', 'advocate', 'referred', 'profitable', 'unprofitable',
      'suspected_reseller'])
    union all select 1, 'redeemed_' || family || '_this_month' from families
    union all select distinct 1, segment from ladder
    union all select 1, segment from spend_tiers
    union all select 1, segment from count_rules
    union all select 1, segment from product_rules
    union all select 1, segment from place_rules
    union all select 1, prefix || unnest(['_recipients', '_pending', '_redeemers', '_non_redeemers', '_organic_redeemers']) from campaigns
  ) order by rank, segment
);

create temp macro seg(x) as cast(x as segment);

-- Segments whose input the source does not have. Where a rule needs one of several columns, one is enough.
create temp table unavailable as
with needs as (
  select has('orders', null) as orders, has('order_discounts', null) as discounts, has('order_discounts', 'code') as codes
),
judged as (
  select unnest(['non_buyer', 'active_single', 'active_multi', 'active_hvc', 'churning_single', 'churning_multi', 'churning_hvc',
    'lapsed_single', 'lapsed_multi', 'lapsed_hvc', 'new_multi_buyer', 'new_hvc', 'new_churning_hvc', 'new_lapsed_hvc', 'won_back',
    'recent_hvc_event', 'suspected_reseller', 'profitable', 'unprofitable']) as segment, orders as is_available from needs
  union all
  select unnest(['ever_used_discount_code', 'other_discount_only', 'full_price_only', 'first_order_discounted',
    'redeemed_this_month', 'only_with_discount']), orders and discounts from needs
  union all
  select 'coupon_abuser', orders and discounts and codes from needs
  union all
  select unnest(['abandoned_cart', 'abandoned_cart_offer']), orders and has('checkouts', null) from needs
  union all
  select 'signed_up_this_week',
    has('customers', 'created_at') or has('customers', 'email_consent_at') or has('customers', 'sms_consent_at')
  union all
  select 'new_contact', orders and (has('orders', 'email') or has('orders', 'phone') or has('customers', 'email') or has('customers', 'phone'))
  from needs
  union all
  select 'subscriber_not_purchased', orders and has('customers', 'email_consent') from needs
  union all
  select 'loyalty_member', has('loyalty_members', null) or has('customers', 'tags')
  union all
  select 'advocate', orders and has('referrals', null) from needs
  union all
  select 'referred', orders and (has('referrals', null) or codes) from needs
  union all
  select 'redeemed_' || family || '_this_month', orders and discounts and codes from families cross join needs
  union all
  select distinct segment, orders and discounts from ladder cross join needs
  union all
  select segment, orders from spend_tiers cross join needs
  union all
  select segment, orders from count_rules cross join needs
  union all
  select segment, orders and (has('orders', 'ship_country') or has('customers', 'country')) from place_rules cross join needs
  union all
  select segment, orders and has('order_lines', null) and (min_price is null or has('order_lines', 'unit_price'))
    and coalesce((select bool_and(has_field) from (
      select coalesce(bool_or(present), false) as has_field
      from product_sets left join source.raw.source_columns
        on table_name = 'order_lines' and column_name = product_sets.field
      where product_sets.product_set = product_rules.bought or product_sets.product_set = product_rules.never
      group by product_sets.field)), true)
  from product_rules cross join needs
  union all
  select prefix || '_recipients', orders and has('campaigns', null) and has('campaign_sends', null) from campaigns cross join needs
  union all
  select prefix || unnest(['_pending', '_redeemers', '_non_redeemers']),
    orders and has('campaigns', null) and has('campaign_sends', null) and codes from campaigns cross join needs
  union all
  select prefix || '_organic_redeemers', orders and has('campaigns', null) and codes from campaigns cross join needs
)
select segment from judged where not is_available;

-- ---- codes and campaigns -----------------------------------------------------------------------------------------

create temp table sends as
select distinct sends.campaign_id, coalesce(by_email.cust, by_account.cust) as cust,
  case when by_email.cust is null and by_account.cust is null
    then coalesce('email|' || sends.email, 'customer_id|' || sends.account) end as stranger,
  sends.code, sends.sent_at, local_day(sends.sent_at) as sent_on
from (
  select campaign_id, sent_at, text_of(customer_id) as account, email_of(email) as email, upper(text_of(code)) as code
  from source.raw.campaign_sends where sent_at < ends_at()
) as sends
semi join campaigns using (campaign_id)
left join (select email, cust from emails inner join ids on id = e where kind = 1) as by_email on by_email.email = sends.email
left join (select account, cust from accounts inner join ids on id = a where kind = 3) as by_account on by_account.account = sends.account;

create temp table order_codes as
select code, codes.oid, sold.cust, sold.ordered_at, sold.ordered_on, invalid_reason is null as is_valid,
  coalesce(invalid_reason not in ('test', 'cancelled', 'voided', 'draft'), true) as is_redemption
from (select distinct oid, code from discounts where code is not null) as codes
inner join sold on sold.oid = codes.oid and sold.cust is not null;

create temp table code_names as select distinct code from order_codes;
-- A pattern without any sign is a code; the others are tried on codes that begin like them.
create temp table matches as
with patterns as (
  select pattern, regexp_full_match(pattern, '[A-Za-z0-9_-]+') as is_code,
    case when contains(pattern, '|') then ''
      else upper(regexp_replace(regexp_extract(pattern, '^[A-Za-z0-9_-]*[?*{]?'), '.?[?*{]$', '')) end as prefix
  from (select pattern from campaigns union select pattern from families)
)
select code, pattern from patterns inner join code_names on code = upper(pattern) where is_code
union all
select code, pattern from patterns inner join code_names on starts_with(code, prefix) and try(regexp_full_match(code, '(?i)' || pattern))
where not is_code;

create temp table family_codes as
select code, family, is_once, is_referral from matches inner join families using (pattern);

create temp table uses as
select distinct family, cust, oid, ordered_at, ordered_on
from order_codes inner join family_codes using (code)
where is_redemption and is_once;

create temp table shared as
with recipients as (
  select code, arg_min(campaign_id, (sent_at, campaign_id)) as campaign_id, min(cust) as owner, min(sent_at) as sent_at
  from sends where code is not null
  group by code
  having min(cust) is not null and min(cust) = max(cust) and count(stranger) = 0
)
select recipients.campaign_id, recipients.code, owner, cust, oid, ordered_on
from order_codes inner join recipients using (code)
where is_redemption and cust <> owner and ordered_at >= sent_at;

create table shared_codes as
select campaign_id, code, owners_key.customer_key as owner_key, redeemers.customer_key as redeemer_key, orders.order_id, ordered_on
from shared
inner join keys as owners_key on owners_key.cust = owner
inner join keys as redeemers on redeemers.cust = shared.cust
inner join source.raw.orders on orders.rowid = oid;

create temp table redemptions as
with codes as (
  select code, campaign_id from matches inner join campaigns using (pattern)
  union
  select code, campaign_id from sends where code is not null
),
candidates as (
  select order_codes.code, oid, cust, ordered_at, ordered_on, is_valid, campaign_id, starts_on
  from order_codes
  inner join codes using (code)
  inner join campaigns using (campaign_id)
  where is_redemption and ordered_on >= starts_on and ordered_on < closes_on
)
select candidates.campaign_id, oid, candidates.code, candidates.cust, ordered_on, is_valid
from candidates
left join sends on sends.campaign_id = candidates.campaign_id and sends.cust = candidates.cust and sends.sent_at <= candidates.ordered_at
qualify row_number() over (
  partition by oid, candidates.code order by sends.sent_at desc nulls last, starts_on desc, candidates.campaign_id) = 1;

create temp table campaign_people as
select campaign_id, cust, prefix, closes_on, redeemed_on,
  case when recipients.sent_on is not null then greatest(recipients.sent_on, starts_on, known_from) end as sent_on
from (select campaign_id, cust, min(sent_on) as sent_on from sends where cust is not null group by campaign_id, cust) as recipients
full join (select campaign_id, cust, min(ordered_on) as redeemed_on from redemptions group by campaign_id, cust) as redeemers
  using (campaign_id, cust)
inner join campaigns using (campaign_id)
inner join known using (cust);

create temp table campaign_sales as
with redeeming as (select distinct campaign_id, oid from redemptions where is_valid)
select campaign_id, country, region, grouping(country) = 1 as is_total,
  count(*) as orders, count(distinct cust) as customers, count(distinct cust) filter (where n = 1) as new_customers,
  cast(sum(gross_amount) as decimal(18, 4)) as gmv, cast(sum(discount_amount) as decimal(18, 4)) as discount_amount,
  cast(sum(net_amount) as decimal(18, 4)) as net_sales,
  cast(sum(net_amount) as decimal(18, 4)) / count(*) as average_order_value,
  case when count(contribution) = count(*) then cast(sum(contribution) as decimal(18, 4)) end as margin,
  case when count(contribution) = count(*) then case when min(costed_share) >= 1 then 'costs' else 'estimated' end end as margin_basis
from redeeming
inner join counted using (oid)
inner join (select distinct region_id, country, region from regions) as region_names using (region_id)
group by grouping sets ((campaign_id), (campaign_id, country, region));

create table campaign_results as
select campaign_id, name, starts_on, ends_on,
  coalesce(recipients, 0) as recipients, coalesce(redeemers, 0) as redeemers, coalesce(non_redeemers, 0) as non_redeemers,
  coalesce(pending, 0) as pending, coalesce(organic_redeemers, 0) as organic_redeemers,
  coalesce(redemptions, 0) as redemptions, coalesce(shared_codes, 0) as shared_codes,
  coalesce(orders, 0) as orders, coalesce(customers, 0) as customers, coalesce(new_customers, 0) as new_customers,
  cast(coalesce(gmv, 0) as decimal(18, 2)) as gmv, cast(coalesce(discount_amount, 0) as decimal(18, 2)) as discount_amount,
  cast(coalesce(net_sales, 0) as decimal(18, 2)) as net_sales, cast(average_order_value as decimal(18, 2)) as average_order_value,
  cast(margin as decimal(18, 2)) as margin, margin_basis, as_of() as as_of
from campaigns
left join (
  select campaign_id,
    count(sent_on) as recipients,
    count(*) filter (where sent_on is not null and redeemed_on is not null) as redeemers,
    count(*) filter (where sent_on is not null and redeemed_on is null and closes_on <= as_of()) as non_redeemers,
    count(*) filter (where sent_on is not null and redeemed_on is null and closes_on > as_of()) as pending,
    count(*) filter (where sent_on is null) as organic_redeemers
  from campaign_people group by campaign_id
) as people using (campaign_id)
left join (select campaign_id, count(*) as redemptions from redemptions group by campaign_id) as redeemed using (campaign_id)
left join (select campaign_id, count(distinct code) as shared_codes from shared group by campaign_id) as shared_by using (campaign_id)
left join (select * from campaign_sales where is_total) as money using (campaign_id);

create table campaign_regions as
select campaign_id, name, country, region, orders, customers, new_customers,
  cast(gmv as decimal(18, 2)) as gmv, cast(discount_amount as decimal(18, 2)) as discount_amount,
  cast(net_sales as decimal(18, 2)) as net_sales, cast(average_order_value as decimal(18, 2)) as average_order_value,
  cast(margin as decimal(18, 2)) as margin, margin_basis
from campaign_sales inner join campaigns using (campaign_id)
where not is_total;

-- ---- regions, products, brands -----------------------------------------------------------------------------------

create temp table bought as
select sold.cust, sold.region_id, sold.ordered_on, pid, unit_price, kept_quantity, kept_amount
from lines inner join sold using (oid)
where was_bought and invalid_reason is null;

create table region_sales as
with region_names as (select distinct region_id, country_id, country, region from regions),
whole as (
  select region_id, country_id, grouping(region_id) = 1 as is_country,
    count(*) as orders, count(distinct cust) as customers,
    cast(sum(gross_amount) as decimal(18, 4)) as gmv, cast(sum(discount_amount) as decimal(18, 4)) as discount_amount,
    cast(sum(net_amount) as decimal(18, 4)) as net_sales,
    case when count(contribution) = count(*) then cast(sum(contribution) as decimal(18, 4)) end as margin,
    case when count(contribution) = count(*) then case when min(costed_share) >= 1 then 'costs' else 'estimated' end end as margin_basis
  from sold inner join (select region_id, country_id from region_names) as of_region using (region_id)
  where invalid_reason is null
  group by grouping sets ((country_id), (country_id, region_id))
),
sums as materialized (
  select region_id, pid, unit_price, count(*) as lines, sum(kept_amount) as amount
  from bought where kept_quantity > 0 group by region_id, pid, unit_price
),
priced as (
  select country_id, region_id, grouping(region_id) = 1 as is_country, unit_price, cast(sum(lines) as bigint) as lines
  from sums inner join region_names using (region_id)
  where unit_price is not null
  group by grouping sets ((country_id, unit_price), (country_id, region_id, unit_price))
),
ranked as (
  select *, sum(lines) over (partition by country_id, region_id, is_country order by unit_price) - 1 as last_rank,
    sum(lines) over (partition by country_id, region_id, is_country) - 1 as most
  from priced
),
quartiles as (
  select country_id, region_id, is_country,
    min(unit_price) filter (where last_rank >= floor(most * 0.25)) as a_low, min(unit_price) filter (where last_rank >= ceil(most * 0.25)) as a_high,
    min(unit_price) filter (where last_rank >= floor(most * 0.5)) as b_low, min(unit_price) filter (where last_rank >= ceil(most * 0.5)) as b_high,
    min(unit_price) filter (where last_rank >= floor(most * 0.75)) as c_low, min(unit_price) filter (where last_rank >= ceil(most * 0.75)) as c_high,
    any_value(most) as most
  from ranked group by country_id, region_id, is_country
),
brands as (
  select country_id, region_id, grouping(region_id) = 1 as is_country, vendor, cast(sum(amount) as decimal(18, 4)) as amount
  from sums inner join product_facts using (pid) inner join region_names using (region_id)
  where vendor is not null
  group by grouping sets ((country_id, vendor), (country_id, region_id, vendor))
),
favourites as (
  select country_id, region_id, is_country, vendor, amount / nullif(sum(amount) over place, 0) as share
  from brands
  window place as (partition by country_id, region_id, is_country)
  qualify row_number() over (partition by country_id, region_id, is_country order by amount desc, vendor) = 1
)
select coalesce(region_names.country, country_names.country) as country, region_names.region,
  case when whole.is_country then 'country' else 'region' end as level,
  orders, customers, cast(gmv as decimal(18, 2)) as gmv, cast(discount_amount as decimal(18, 2)) as discount_amount,
  cast(net_sales as decimal(18, 2)) as net_sales, cast(net_sales / orders as decimal(18, 2)) as average_order_value,
  cast(margin as decimal(18, 2)) as margin, margin_basis,
  cast(cast(a_low + (a_high - a_low) * cast(most * 0.25 - floor(most * 0.25) as decimal(3, 2)) as decimal(18, 4)) as decimal(18, 2)) as price_lower_quartile,
  cast(cast(b_low + (b_high - b_low) * cast(most * 0.5 - floor(most * 0.5) as decimal(3, 2)) as decimal(18, 4)) as decimal(18, 2)) as price_median,
  cast(cast(c_low + (c_high - c_low) * cast(most * 0.75 - floor(most * 0.75) as decimal(3, 2)) as decimal(18, 4)) as decimal(18, 2)) as price_upper_quartile,
  vendor as preferred_brand, cast(share as decimal(18, 4)) as brand_share
from whole
left join region_names on not whole.is_country and region_names.region_id = whole.region_id
left join (select distinct country_id, country from regions) as country_names on country_names.country_id = whole.country_id
left join quartiles on quartiles.country_id = whole.country_id and quartiles.is_country = whole.is_country
  and quartiles.region_id is not distinct from whole.region_id
left join favourites on favourites.country_id = whole.country_id and favourites.is_country = whole.is_country
  and favourites.region_id is not distinct from whole.region_id;

create temp table brands as
with summed as (
  select cust, vid, cast(sum(kept_amount) as decimal(18, 4)) as amount, count(*) as lines, max(ordered_on) as last_on
  from bought inner join (select pid, vid from product_facts where vendor is not null) as vendors using (pid)
  where cust is not null and kept_quantity > 0
  group by cust, vid
),
totals as (select cust, sum(amount) as amount, max(amount) as most from summed group by cust)
select cust, any_value(vendor) as preferred_brand
from (
  select summed.*, totals.amount as total from summed inner join totals on totals.cust = summed.cust and summed.amount = totals.most
  qualify row_number() over (partition by summed.cust order by last_on desc, vid) = 1
) as favourite
inner join (select distinct vid, vendor from product_facts) as vendors using (vid)
where lines >= 2 and amount >= 0.5 * total
group by cust;

-- Products of the sets that rules name, and lines dear enough for the rules about prices.
create temp table set_products as
select distinct product_set, pid
from product_sets inner join product_facts on product_sets.value = lower(case product_sets.field
  when 'sku' then product_facts.sku when 'product_id' then product_facts.product_id
  when 'category' then product_facts.category when 'vendor' then product_facts.vendor end);

create temp table stays (segment segment, cust integer, entered_on date, exited_on date);

with never as (
  select segment, cust, min(ordered_on) as never_on
  from bought inner join set_products using (pid) inner join product_rules on product_rules.never = set_products.product_set
  where cust is not null
  group by segment, cust
),
hits as (
  select segment, within_days, cust, ordered_on
  from bought inner join set_products using (pid) inner join product_rules on product_rules.bought = set_products.product_set
  where cust is not null and kept_quantity > 0 and (min_price is null or unit_price >= min_price)
  union all
  select segment, within_days, cust, ordered_on
  from bought inner join product_rules on unit_price >= min_price
  where product_rules.bought is null and cust is not null and kept_quantity > 0
),
-- Without an end the first day is enough.
firsts as (
  select segment, cust, min(ordered_on) as entered_on, any_value(within_days) as within_days
  from hits group by segment, cust, case when within_days is not null then ordered_on end
)
insert into stays
select seg(segment), cust, entered_on, least(entered_on + within_days, never_on)
from firsts left join never using (segment, cust);

-- ---- households, referrals, abuse of codes -----------------------------------------------------------------------

create temp table homes as
select known.cust, customer_key, known_from, signed_up_on, name.f as first_name, name.l as last_name,
  case when address_oid is not null then text_of(ship_country) else home.c end as country,
  case when address_oid is not null then text_of(ship_region) else home.r end as region,
  case when address_oid is not null then text_of(ship_city) else home.t end as city,
  case when address_oid is not null then text_of(ship_postal_code) else home.z end as postal_code
from known
left join source.raw.orders on orders.rowid = address_oid;

create temp table signs as
select cust, 'phone' as kind, cast(id as varchar) as sign from ids where kind = 2
union all
select distinct cust, 'mailbox', case
  when ends_with(email, '@gmail.com') or ends_with(email, '@googlemail.com')
    then replace(split_part(split_part(email, '@', 1), '+', 1), '.', '') || '@gmail.com'
  when contains(email, '+') then split_part(split_part(email, '@', 1), '+', 1) || '@' || split_part(email, '@', 2)
  else email end
from ids inner join emails on e = id where kind = 1
union all
select cust, 'household', concat_ws('|', lower(last_name), upper(replace(postal_code, ' ', '')), upper(country))
from homes where last_name is not null and postal_code is not null;

create temp table referred as
with accounts_owned as (select account, cust from accounts inner join ids on id = a where kind = 3),
pairs as (
  select referrers.cust as referrer, brought.cust as cust, referred_at, local_day(referred_at) as referred_on
  from source.raw.referrals
  inner join accounts_owned as referrers on referrers.account = trim(referrer_customer_id)
  inner join accounts_owned as brought on brought.account = trim(referred_customer_id)
  where referrers.cust <> brought.cust and (referred_at is null or referred_at < ends_at())
),
together as (
  select distinct referrer, pairs.cust
  from pairs
  inner join signs as one on one.cust = referrer
  inner join signs as other on other.cust = pairs.cust and other.kind = one.kind and other.sign = one.sign
)
select referrer, pairs.cust, referred_on, first_on as bought_on
from pairs
anti join together on together.referrer = pairs.referrer and together.cust = pairs.cust
left join buyers on buyers.cust = pairs.cust
inner join keys on keys.cust = pairs.referrer
where referred_on is null or first_on is null or first_on >= referred_on
qualify row_number() over (partition by pairs.cust order by referred_at nulls last, keys.customer_key) = 1;

create temp table referred_since as
select cust, min(entered_on) as entered_on from (
  select cust, greatest(known_from, referred_on) as entered_on from referred inner join known using (cust)
  union all
  select order_codes.cust, order_codes.ordered_on
  from order_codes inner join family_codes using (code) inner join counted using (oid)
  where is_referral and n = 1
)
group by cust;

create temp table flags as
with devices as materialized (
  select uses.oid, trim(client_ip) as client_ip, trim(user_agent) as user_agent
  from uses inner join source.raw.orders on orders.rowid = uses.oid
  where text_of(client_ip) is not null and text_of(user_agent) is not null
),
-- The network first: few orders come from one of those, and browsers are long texts.
connected as (
  select rowid as oid, trim(client_ip) as client_ip, user_agent
  from source.raw.orders where trim(client_ip) in (select client_ip from devices)
),
borne as (
  select family, uses.cust, ordered_on, 'shared_' || kind as flag, sign from uses inner join signs using (cust)
  union all
  select family, cust, ordered_on, 'shared_device', client_ip || '|' || user_agent from uses inner join (select distinct * from devices) as devices using (oid)
),
bearers as (
  select 'shared_' || kind as flag, sign from signs group by kind, sign having count(*) between 2 and 20
  union all
  select 'shared_device', client_ip || '|' || trim(user_agent)
  from connected inner join sold using (oid)
  where cust is not null and (client_ip, trim(user_agent)) in (select (client_ip, user_agent) from devices)
  group by client_ip, trim(user_agent) having count(distinct cust) between 2 and 20
),
suspects as (select * from borne semi join bearers using (flag, sign)),
linked as (
  select one.cust, one.flag, one.family, min(greatest(one.ordered_on, other.ordered_on)) as entered_on, count(distinct other.cust) as others
  from suspects as one
  inner join suspects as other on other.family = one.family and other.flag = one.flag and other.sign = one.sign and other.cust <> one.cust
    and abs(one.ordered_on - other.ordered_on) <= 90
  group by one.cust, one.flag, one.family
)
select cust, flag, entered_on, cast(null as date) as exited_on,
  'a code of the family ' || family || ' also used by ' || others || ' other customers with the same sign' as detail
from linked
union all
select cust, 'repeated_code', ordered_on, null, 'codes of the family ' || family || ' on ' || n || ' orders'
from (
  select uses.cust, family, uses.ordered_on, count(*) over w as n, row_number() over (w order by uses.ordered_at, sold.order_id) as use
  from uses inner join sold using (oid)
  window w as (partition by uses.cust, family)
)
where use = 2
union all
select cust, 'shared_code', min(ordered_on), null, count(distinct code) || ' personal codes of somebody else' from shared group by cust
union all
select cust, 'returns_after_code', ordered_on, null, 'money back on two orders with a code'
from (
  select cust, ordered_on, row_number() over (partition by cust order by ordered_at, order_id) as return
  from sold
  where cust is not null and has_code and refunded_amount > 0 and coalesce(invalid_reason, 'fully_refunded') = 'fully_refunded'
)
where return = 2
union all
select cust, 'mostly_codes', ordered_on, next_on, codes || ' of ' || n || ' orders with a code'
from days where n >= 3 and codes >= 0.8 * n;

create temp table weights as
from (values ('repeated_code', 50), ('shared_mailbox', 50), ('shared_phone', 35), ('shared_household', 25),
  ('shared_device', 25), ('shared_code', 20), ('returns_after_code', 20), ('mostly_codes', 15)) as weights (flag, weight);

create table coupon_abuse_evidence as
select customer_key, flag, weight, entered_on as raised_on, detail
from flags inner join weights using (flag) inner join keys using (cust)
where entered_on <= as_of() and (exited_on is null or exited_on > as_of());

create temp table scores as
with reached as (
  select flag, cust, entered_on,
    max(coalesce(exited_on, date '9999-12-31')) over (w rows between unbounded preceding and 1 preceding) as before,
    max(coalesce(exited_on, date '9999-12-31')) over (partition by flag, cust) as last
  from flags where exited_on is null or entered_on < exited_on
  window w as (partition by flag, cust order by entered_on)
),
merged as (
  select flag, cust, entered_on, coalesce(lead(before) over (partition by flag, cust order by entered_on), last) as exited_on
  from reached where before is null or entered_on > before
),
changes as (
  select cust, day, sum(change) as change from (
    select cust, entered_on as day, weight as change from merged inner join weights using (flag)
    union all
    select cust, exited_on, -weight from merged inner join weights using (flag) where exited_on < date '9999-12-31'
  ) group by cust, day
)
select cust, day as since, lead(day) over w as until, cast(least(sum(change) over w, 100) as integer) as score
from changes
window w as (partition by cust order by day);

-- ---- carts -------------------------------------------------------------------------------------------------------

create temp table carts as
select checkouts.checkout_token, owners.cust, checkouts.created_at, coalesce(checkouts.updated_at, checkouts.created_at) as updated_at,
  checkouts.total_amount, least(local_day(checkouts.completed_at), finished.ordered_on) as completed_on,
  local_day(coalesce(checkouts.updated_at, checkouts.created_at) + interval '48 hours' - interval '1 microsecond') + 1 as abandoned_on
from source.raw.checkouts
inner join combos on combos.source = 2 and combos.customer_id is not distinct from checkouts.customer_id
  and combos.email is not distinct from checkouts.email and combos.phone is not distinct from checkouts.phone
inner join owners on owners.combo = combos.combo and owners.cust is not null
left join (
  select checkouts.checkout_token, min(sold.ordered_on) as ordered_on
  from source.raw.orders
  inner join source.raw.checkouts on checkouts.checkout_token = text_of(orders.checkout_token)
  inner join sold on sold.oid = orders.rowid
  group by checkouts.checkout_token
) as finished on finished.checkout_token = checkouts.checkout_token
where checkouts.created_at < ends_at();

create temp table cart_stays as
with left_behind as (
  select * from carts where completed_on is null or completed_on > abandoned_on
),
bought_later as (
  select checkout_token, min(counted.ordered_on) as ordered_on
  from left_behind inner join counted on counted.cust = left_behind.cust and counted.ordered_at >= left_behind.created_at
  group by checkout_token
),
begun as (
  select cust, greatest(abandoned_on, known_from) as entered_on,
    least(abandoned_on + 14, completed_on, bought_later.ordered_on) as exited_on
  from left_behind inner join known using (cust) left join bought_later using (checkout_token)
),
reached as (
  select cust, entered_on,
    max(exited_on) over (partition by cust order by entered_on rows between unbounded preceding and 1 preceding) as before,
    max(exited_on) over (partition by cust) as last
  from begun where entered_on < exited_on
),
merged as (
  select cust, entered_on, coalesce(lead(before) over (partition by cust order by entered_on), last) as exited_on
  from reached where before is null or entered_on > before
)
select *, row_number() over (partition by cust order by entered_on) as stay from merged;

-- ---- segments ----------------------------------------------------------------------------------------------------

create temp table loyalty as
select cust, tier, points, greatest(joined_on, known_from) as joined_on, left_on
from (
  select cust, lower(text_of(tier)) as tier, points, local_day(joined_at) as joined_on, local_day(left_at) as left_on,
    coalesce(lower(text_of(status)) = 'active', left_at is null) as is_active
  from source.raw.loyalty_members
  inner join accounts on accounts.account = trim(customer_id)
  inner join ids on ids.kind = 3 and ids.id = accounts.a
  union all
  select cust, null, null, null, null, true from platform where has_tag(tags, 'loyalty|loyalty member')
)
inner join known using (cust)
where is_active or left_on is not null;

create temp table lived as
with rule_places as (
  select distinct segment, place
  from regions inner join place_rules
    on (place_rules.country is null or place_rules.country = lower(regions.country))
    and (place_rules.region is null or place_rules.region = lower(regions.region))
    and (place_rules.city is null or place_rules.city = lower(regions.city))
),
rule_accounts as (
  select cust, segment
  from profiles inner join place_rules
    on home is not null
    and (place_rules.country is null or place_rules.country = lower(home.c))
    and (place_rules.region is null or place_rules.region = lower(home.r))
    and (place_rules.city is null or place_rules.city = lower(home.t))
),
-- Who never was in a place of a rule needs no history for it.
touched as (
  select distinct segment, cust from counted inner join rule_places using (place)
  union
  select segment, cust from rule_accounts
),
shipped as (
  select cust, ordered_on, arg_max(place, n) as place
  from counted semi join touched using (cust)
  where has_address group by cust, ordered_on
),
moves as (
  select touched.segment, touched.cust, ordered_on as since, rule_places.place is not null as is_there
  from touched inner join shipped using (cust)
  left join rule_places on rule_places.segment = touched.segment and rule_places.place = shipped.place
  union all
  select touched.segment, touched.cust, known_from, rule_accounts.cust is not null
  from touched
  inner join profiles on profiles.cust = touched.cust and home is not null
  inner join known on known.cust = touched.cust
  left join rule_accounts on rule_accounts.segment = touched.segment and rule_accounts.cust = touched.cust
  where not exists (select 1 from shipped where shipped.cust = touched.cust and shipped.ordered_on <= known_from)
),
changes as (
  select * from moves
  qualify lag(is_there) over (partition by segment, cust order by since) is distinct from is_there
)
select segment, cust, is_there, since, lead(since) over (partition by segment, cust order by since) as until from changes;

create temp table non_buyers as
select cust, known_from, first_on from known where first_on is null or known_from < first_on;

-- Stays that may overlap or touch.
insert into stays
with hvc as (select * from days where n >= 3),
events as (
  select cust, min(ordered_on) as day from hvc group by cust
  union all
  select cust, ordered_on + 181 from hvc where next_on is null or ordered_on + 181 < next_on
  union all
  select cust, ordered_on + 366 from hvc where next_on is null or ordered_on + 366 < next_on
)
select seg('recent_hvc_event'), cust, day, day + 360 from events
union all
select seg('redeemed_this_month'), cust, min(ordered_on), cast(date_trunc('month', ordered_on) + interval 1 month as date)
from counted where has_code group by cust, date_trunc('month', ordered_on)
union all
select cast('redeemed_' || family || '_this_month' as segment), cust, entered_on, exited_on
from (
  select family, order_codes.cust, min(order_codes.ordered_on) as entered_on,
    cast(date_trunc('month', order_codes.ordered_on) + interval 1 month as date) as exited_on
  from order_codes inner join family_codes using (code)
  where is_valid
  group by family, order_codes.cust, date_trunc('month', order_codes.ordered_on)
)
union all
select seg('coupon_abuser'), cust, since, until from scores where score >= 70
union all
select seg('loyalty_member'), cust, joined_on, left_on from loyalty
union all
select seg(segment), cust, since, until from lived where is_there;

create temp table periods as
with begun as (
  select * from stays where entered_on <= as_of() and (exited_on is null or entered_on < exited_on)
),
reached as (
  select segment, cust, entered_on,
    max(coalesce(exited_on, date '9999-12-31')) over (w order by entered_on rows between unbounded preceding and 1 preceding) as before,
    max(coalesce(exited_on, date '9999-12-31')) over w as last
  from begun
  window w as (partition by segment, cust)
),
merged as (
  select segment, cust, entered_on,
    coalesce(lead(before) over (partition by segment, cust order by entered_on), last) as exited_on
  from reached where before is null or entered_on > before
),
-- Days are stored by customer and day, so that the row before and the row after are at hand without sorting.
followed as (
  select *, lag(cust) over () as cust_before, lag(ordered_on) over () as on_before, lag(n) over () as n_before,
    lag(earned >= 0) over () as profit_before, lag(step) over () as step_before,
    lead(next_on) over () as next_next_on
  from (
    select *, len(list_filter((select list(starts_at) from spend_tiers), bound -> bound <= per_order)) as step from days
  )
),
found as (
  select segment, cust, entered_on, nullif(exited_on, date '9999-12-31') as exited_on from merged
  union all
  select seg('non_buyer'), cust, known_from, first_on from non_buyers
  union all
  select case when n = 1 then seg('active_single') else seg('active_multi') end, cust, ordered_on, least(ordered_on + 181, next_on)
  from days where n < 3
  union all
  select seg('active_hvc'), cust, ordered_on, case when is_last then ordered_on else lead(ordered_on) over () end + 181
  from (
    select cust, ordered_on, next_on, next_on is null or next_on > ordered_on + 181 as is_last,
      cust_before is distinct from cust or n_before < 3 or on_before + 181 < ordered_on as is_first
    from followed where n >= 3
  ) where is_first or is_last
  qualify is_first
  union all
  select case when n = 1 then seg('churning_single') when n = 2 then seg('churning_multi') else seg('churning_hvc') end,
    cust, ordered_on + 181, least(ordered_on + 366, next_on)
  from days
  union all
  select case when n = 1 then seg('lapsed_single') when n = 2 then seg('lapsed_multi') else seg('lapsed_hvc') end,
    cust, ordered_on + 366, next_on
  from days
  union all
  select seg('new_multi_buyer'), cust, ordered_on, least(ordered_on + 7, next_on) from days where n = 2
  union all
  select seg('new_hvc'), cust, min(ordered_on), min(ordered_on) + 7 from days where n >= 3 group by cust
  union all
  select seg('new_churning_hvc'), cust, ordered_on + 181, least(ordered_on + 188, next_on) from days where n >= 3
  union all
  select seg('new_lapsed_hvc'), cust, ordered_on + 366, least(ordered_on + 373, next_on) from days where n >= 3
  union all
  select seg('won_back'), cust, next_on, least(next_on + 30, next_next_on) from followed where next_on - ordered_on > 365
  union all
  select seg('ever_used_discount_code'), cust, code_on, null from buyers where code_on is not null
  union all
  select seg('other_discount_only'), cust, discount_on, code_on from buyers where discount_on is not null
  union all
  select seg('full_price_only'), cust, first_on, discount_on from buyers
  union all
  select seg('first_order_discounted'), cust, first_on, null from buyers where began_with_code
  union all
  select seg('only_with_discount'), cust, min(ordered_on) filter (where is_coded), min(ordered_on) filter (where codes < n)
  from days where n >= 2 group by cust having bool_or(is_coded)
  union all
  select seg('abandoned_cart'), cust, entered_on, exited_on from cart_stays
  union all
  select seg('abandoned_cart_offer'), cust, entered_on, exited_on from cart_stays where stay <= 1
  union all
  select seg('signed_up_this_week'), cust, greatest(signed_up_on, known_from), cast(date_trunc('week', signed_up_on) as date) + 7
  from known where signed_up_on is not null
  union all
  select seg('new_contact'), cust, known_from, least(first_on, known_from + 30) from non_buyers semi join contacts using (cust)
  union all
  select seg('subscriber_not_purchased'), cust, greatest(known_from, email_on), first_on
  from non_buyers inner join consents using (cust) where email_consent = 'subscribed'
  union all
  select seg('advocate'), referrer, greatest(min(bought_on), any_value(known_from)), null
  from referred inner join known on known.cust = referrer where bought_on is not null group by referrer
  union all
  select seg('referred'), cust, entered_on, null from referred_since
  union all
  select case when earned >= 0 then seg('profitable') else seg('unprofitable') end, cust, ordered_on,
    case when cust_after = cust then on_after end
  from (
    select *, lead(cust) over () as cust_after, lead(ordered_on) over () as on_after
    from (select cust, ordered_on, earned from followed where cust_before is distinct from cust or profit_before is distinct from (earned >= 0))
  ) where earned is not null
  union all
  select seg('suspected_reseller'), cust, min(ordered_on), null
  from days inner join buyers using (cust) where spend - first_amount > 4000 group by cust
  union all
  select seg(segment), cust, ordered_on + min_days, least(ordered_on + next_min_days, next_on)
  from days inner join ladder using (tier) where not is_coded
  union all
  select cast((select list(segment order by starts_at) from spend_tiers)[step] as segment), cust, ordered_on, case when cust_after = cust then on_after end
  from (
    select *, lead(cust) over () as cust_after, lead(ordered_on) over () as on_after
    from (select cust, ordered_on, step from followed where cust_before is distinct from cust or step_before is distinct from step)
  ) where step > 0
  union all
  select seg(segment), entered.cust, entered.ordered_on, exited.ordered_on
  from count_rules
  inner join counted as entered on entered.n = min_orders
  left join counted as exited on exited.cust = entered.cust and exited.n = max_orders + 1
  union all
  select seg(prefix || '_recipients'), cust, sent_on, null from campaign_people where sent_on is not null
  union all
  select seg(prefix || '_pending'), cust, sent_on, least(redeemed_on, closes_on) from campaign_people where sent_on is not null
  union all
  select seg(prefix || '_redeemers'), cust, greatest(sent_on, redeemed_on), null
  from campaign_people where sent_on is not null and redeemed_on is not null
  union all
  select seg(prefix || '_non_redeemers'), cust, greatest(sent_on, closes_on), null
  from campaign_people where sent_on is not null and redeemed_on is null
  union all
  select seg(prefix || '_organic_redeemers'), cust, redeemed_on, sent_on from campaign_people where redeemed_on is not null
)
select segment, cust, entered_on, left_on(exited_on) as exited_on
from found
where entered_on <= as_of() and (exited_on is null or entered_on < exited_on)
  and segment not in (select seg(segment) from unavailable);

create table segment_periods as
select cast(segment as varchar) as segment, customer_key, entered_on, exited_on from periods inner join keys using (cust);

create table segment_members as
select segment, customer_key, entered_on, as_of() as as_of from segment_periods where exited_on is null;

create temp table sizes as
with moves as (
  select segment, day, cast(sum(entered) as bigint) as entered, cast(sum(exited) as bigint) as exited
  from (
    select segment, entered_on as day, count(*) as entered, 0 as exited from periods group by segment, entered_on
    union all
    select segment, exited_on, 0, count(*) from periods where exited_on is not null group by segment, exited_on
  ) group by segment, day
),
days as (
  select segment, cast(unnest(generate_series(min(day), as_of(), interval 1 day)) as date) as day from moves group by segment
)
select segment, day,
  cast(sum(coalesce(entered, 0) - coalesce(exited, 0)) over (partition by segment order by day) as bigint) as members,
  coalesce(entered, 0) as entered, coalesce(exited, 0) as exited
from days left join moves using (segment, day);

create table segment_sizes as
select cast(segment as varchar) as segment, day, members, entered, exited from sizes;

create table lifecycle_thresholds as
select unnest(['single', 'multi', 'hvc']) as tier, 'fixed' as basis, cast(null as bigint) as customers_measured,
  180 as active_days, 365 as lapse_days;

create table lifecycle_moves as
with states as (
  select segment, cust, entered_on, lag(segment) over (partition by cust order by entered_on) as before
  from periods where enum_code(segment) < 10
),
changes as (
  select since, cust, arg_min(coalesce(cast(before as varchar), 'unknown'), entered_on) as from_segment,
    cast(arg_max(segment, entered_on) as varchar) as to_segment
  from (select *, cast(date_trunc('month', entered_on - 1) as date) as since from states)
  group by since, cust
),
moves as (
  select since, from_segment, to_segment, count(*) as customers from changes group by since, from_segment, to_segment
),
stays as (
  select sizes.day as since, cast(segment as varchar) as from_segment, cast(segment as varchar) as to_segment,
    members - coalesce(sum(customers), 0) as customers
  from sizes left join moves on moves.since = sizes.day and moves.from_segment = cast(sizes.segment as varchar)
  where enum_code(segment) < 10 and day = date_trunc('month', day) and day < as_of()
  group by sizes.day, segment, members
)
select since, least(cast(date_trunc('month', since) + interval 1 month as date), as_of()) as until, from_segment, to_segment,
  cast(sum(customers) as bigint) as customers
from (from moves union all from stays)
group by since, from_segment, to_segment
having sum(customers) > 0;

-- ---- customers ---------------------------------------------------------------------------------------------------

create temp table spending as
select cust, per_order, spend_tiers.tier as spend_tier,
  cast(case when spend_tiers.tier is null then lowest else next_starts_at end as decimal(18, 6)) - per_order as amount_to_next_tier,
  ladder.step, offer_code
from (select *, as_of() - ordered_on as silence from days where next_on is null) as last_days
cross join (select min(starts_at) as lowest from spend_tiers)
left join spend_tiers on per_order >= starts_at and (next_starts_at is null or per_order < next_starts_at)
left join (select *, coalesce(next_min_days, 2147483647) as ends_after from ladder) as ladder
  on ladder.tier = last_days.tier and silence >= min_days and silence < ends_after and not is_coded;

create temp table last_categories as
select buyers.cust, arg_max(product_facts.category, (kept_amount, line_id)) as category
from buyers
inner join lines on lines.oid = category_oid and lines.has_category
inner join product_facts using (pid)
inner join source.raw.order_lines on order_lines.rowid = line
group by buyers.cust;

create table customers as
with discounts_known as (select has('order_discounts', null) as are_known),
available as (
  select
    'only_with_discount' not in (from unavailable) as has_discounts, 'coupon_abuser' not in (from unavailable) as has_codes,
    'advocate' not in (from unavailable) as has_referrals, 'referred' not in (from unavailable) as has_referred,
    'loyalty_member' not in (from unavailable) as has_loyalty
),
own_accounts as (
  select cust, list_sort(list(account)) as customer_ids
  from ids inner join accounts on accounts.a = id where kind = 3 group by cust
),

members as (
  select cust, tier, points from loyalty
  where joined_on <= as_of() and (left_on is null or left_on > as_of())
  qualify row_number() over (partition by cust order by points desc nulls last, tier nulls last) = 1
),
left_behind as (
  select cust, arg_max(total_amount, (updated_at, checkout_token)) as amount
  from carts
  semi join (select cust from cart_stays where entered_on <= as_of() and exited_on > as_of()) as waiting using (cust)
  where abandoned_on <= as_of() and (completed_on is null or completed_on > as_of())
  group by cust
)
select
  homes.customer_key,
  case when is_erased then cast([] as varchar[]) else coalesce(customer_ids, cast([] as varchar[])) end as customer_ids,
  case when is_erased then null else emails.email end as email,
  case when is_erased then null else phones.phone end as phone,
  case when is_erased then null else first_name end as first_name,
  case when is_erased then null else last_name end as last_name,
  case when is_erased then null else country end as country,
  case when is_erased then null else region end as region,
  case when is_erased then null else city end as city,
  case when is_erased then null else postal_code end as postal_code,
  case when is_erased then null else email_consent end as email_consent,
  case when is_erased then null else sms_consent end as sms_consent,
  buyers.first_on as first_order_on, second_on as second_order_on, last_on as last_order_on,
  cast(coalesce(orders, 0) as integer) as order_count,
  cast(coalesce(gross, 0) as decimal(18, 2)) as gross_sales, cast(coalesce(net, 0) as decimal(18, 2)) as net_sales,
  cast(coalesce(discount, 0) as decimal(18, 2)) as discount_amount, cast(coalesce(refunded, 0) as decimal(18, 2)) as refunded_amount,
  cast(net / nullif(orders, 0) as decimal(18, 2)) as average_order_value,
  case when are_known then cast(coalesce(codes, 0) as integer) end as code_order_count,
  case when are_known then last_code end as last_code,
  cast(as_of() - last_on as integer) as days_since_last_order,
  case
    when orders is null then 'non_buyer'
    else case when as_of() - last_on <= 180 then 'active_' when as_of() - last_on <= 365 then 'churning_' else 'lapsed_' end
      || case when orders >= 3 then 'hvc' when orders >= 2 then 'multi' else 'single' end
  end as lifecycle,
  case lifecycle when 'non_buyer' then 'Non-buyer' when 'active_single' then 'Single Buyer' when 'active_multi' then 'Multi-Buyer'
    when 'active_hvc' then 'HVC' when 'churning_single' then 'Churning Single' when 'churning_multi' then 'Churning Multi'
    when 'churning_hvc' then 'Churning HVC' when 'lapsed_single' then 'Lapsed Single' when 'lapsed_multi' then 'Lapsed Multi'
    when 'lapsed_hvc' then 'Lapsed HVC' end as customer_segment,
  case when are_known and orders > 0 then codes > 0 end as ever_used_discount_code,
  case when not are_known then null when codes > 0 then 'code_user' when has_discount then 'other_discount_only'
    when orders > 0 then 'full_price_only' else 'non_buyer' end as discount_behavior,
  as_of() as as_of, homes.known_from,
  coalesce(no_email, false) as email_suppressed, coalesce(no_sms, false) as sms_suppressed, coalesce(no_ads, false) as ads_suppressed,
  signed_up_on, is_subscriber, spend_tier, cast(amount_to_next_tier as decimal(18, 2)) as amount_to_next_tier,
  case when has_discounts then cast(cast(codes as double) / orders as decimal(18, 4)) end as code_order_share,
  case when are_known then cast(discount / nullif(gross, 0) as decimal(18, 4)) end as discount_share,
  case when not has_discounts or orders < 2 then null when codes = 0 then 'full_price'
    when cast(codes as double) / orders < 0.5 then 'occasional' when codes < orders then 'frequent'
    when codes = orders then 'only_with_discount' end as discount_dependence,
  case when has_discounts then spending.step end as discount_ladder_step,
  case when has_discounts then offer_code end as discount_ladder_code,
  case when has_codes then coalesce(score, 0) end as coupon_abuse_score,
  category as last_category, preferred_brand, cast(highest_unit_price as decimal(18, 2)) as highest_unit_price,
  cast(contribution as decimal(18, 2)) as contribution,
  case when contribution is not null then case when cost_coverage >= 1 then 'costs' else 'estimated' end end as contribution_basis,
  cast(cost_coverage as decimal(18, 4)) as cost_coverage,
  case when has_loyalty then members.cust is not null end as is_loyalty_member,
  members.tier as loyalty_tier, cast(members.points as decimal(18, 2)) as loyalty_points,
  cast(case when has_referrals then coalesce(referrals, 0) end as integer) as referral_count,
  case when has_referred then referred_since.cust is not null end as is_referred,
  cast(left_behind.amount as decimal(18, 2)) as abandoned_cart_amount
from homes
cross join discounts_known
cross join available
left join suppressed using (cust)
left join own_accounts using (cust)
left join contacts using (cust)
left join emails on emails.e = contacts.e
left join phones on phones.p = contacts.p
left join consents using (cust)
left join buyers using (cust)
left join spending using (cust)
left join (select cust, score from scores where since <= as_of() and (until is null or until > as_of())) as score_now using (cust)
left join last_categories using (cust)
left join brands using (cust)
left join members using (cust)
left join (select referrer as cust, count(*) as referrals from referred where bought_on is not null group by referrer) as brought using (cust)
left join referred_since using (cust)
left join left_behind using (cust);
