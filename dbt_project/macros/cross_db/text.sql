{# Engine-specific text handling. #}

{# A text without invisible characters and outer blanks; null when nothing is left. #}
{% macro clean_text(column) -%}
  {{ return(adapter.dispatch('clean_text')(column)) }}
{%- endmacro %}

{# DuckDB: RE2 knows \x{...}; \s does not include the no-break space, so it is named. #}
{% macro duckdb__clean_text(column) -%}
  nullif(regexp_replace(regexp_replace({{ column }}, '[\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]', '', 'g'), '^[\s\x{00A0}]+|[\s\x{00A0}]+$', '', 'g'), '')
{%- endmacro %}

{#
  An e-mail address in the form in which two spellings of it are equal: lower case, without invisible
  characters and without blanks at its ends or around the @. Null when the text is no address.
#}
{% macro normalise_email(column) -%}
  {{ return(adapter.dispatch('normalise_email')(column)) }}
{%- endmacro %}

{#
  DuckDB: regexp_extract gives '' when the pattern does not match. Nearly every address is plain and already as it should
  be; looking first takes a quarter of the time.
#}
{% macro duckdb__normalise_email(column) -%}
  case
    when regexp_full_match({{ column }}, '[a-z0-9._%+-]+@[a-z0-9-]+([.][a-z0-9-]+)*[.][a-z0-9-]{2,}') then {{ column }}
    else nullif(regexp_extract(regexp_replace(lower({{ clean_text(column) }}), '[\s\x{00A0}]*@[\s\x{00A0}]*', '@', 'g'), '^[^@\s\x{00A0},;<>()"]+@[^@\s\x{00A0},;<>()"]+[.][^@\s\x{00A0}.,;<>()"]{2,}$'), '')
  end
{%- endmacro %}

{#
  The part of a normalised address that decides whether two addresses are one mailbox. Equal to the
  address unless strip_plus_tags or gmail_dots is on.
#}
{% macro email_identity(email) -%}
  {{ return(adapter.dispatch('email_identity')(email)) }}
{%- endmacro %}

{# DuckDB: built only from the switches that are on, since it runs on every order. #}
{% macro duckdb__email_identity(email) -%}
  {%- set ns = namespace(sql=email) -%}
  {%- if bool_var('strip_plus_tags') -%}
    {%- set ns.sql = "regexp_replace(" ~ ns.sql ~ ", '[+][^@]*@', '@')" -%}
  {%- endif -%}
  {%- if bool_var('gmail_dots') -%}
    {%- set ns.sql = "case when " ~ ns.sql ~ " like '%@gmail.com' or " ~ ns.sql ~ " like '%@googlemail.com' then replace(split_part(" ~ ns.sql ~ ", '@', 1), '.', '') || '@gmail.com' else " ~ ns.sql ~ " end" -%}
  {%- endif -%}
  {{- ns.sql -}}
{%- endmacro %}

{# True when a normalised address matches one of the patterns of identity_denied_emails. #}
{% macro is_denied_email(email) -%}
  {{ return(adapter.dispatch('is_denied_email')(email)) }}
{%- endmacro %}

{# DuckDB: one alternation instead of one call per pattern. #}
{% macro duckdb__is_denied_email(email) -%}
  {%- set patterns = var('identity_denied_emails') -%}
  {%- if patterns -%}
    coalesce(regexp_matches({{ email }}, '{{ dbt.escape_single_quotes("(" ~ patterns | join(")|(") ~ ")") }}'), false)
  {%- else -%}
    false
  {%- endif -%}
{%- endmacro %}

{# The public key of a customer: short, stable, the same for the same identifier in every shop run. #}
{% macro customer_key(id_type, id_value) -%}
  {{ return(adapter.dispatch('customer_key')(id_type, id_value)) }}
{%- endmacro %}

{# DuckDB: sha256 gives lower-case hex; 80 bits keep ten million customers apart. #}
{% macro duckdb__customer_key(id_type, id_value) -%}
  'c_' || left(sha256('customer_key|' || {{ id_type }} || '|' || {{ id_value }}), 20)
{%- endmacro %}

{# True for the account id the loader gives to a person who was forgotten. #}
{% macro is_pseudonym(customer_id) -%}
  {{ return(adapter.dispatch('is_pseudonym')(customer_id)) }}
{%- endmacro %}

{# DuckDB: the prefix alone costs little on every row and settles nearly all of them. #}
{% macro duckdb__is_pseudonym(customer_id) -%}
  (starts_with({{ customer_id }}, 'forgotten-') and regexp_full_match({{ customer_id }}, 'forgotten-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'))
{%- endmacro %}

{# A number that stands for several texts, nulls included: equal for equal texts within a run, so it joins faster than they do. #}
{% macro row_hash(columns) -%}
  {{ return(adapter.dispatch('row_hash')(columns)) }}
{%- endmacro %}

{# DuckDB: 64 bits; two of a million products share a number once in forty million shops. #}
{% macro duckdb__row_hash(columns) -%}
  hash({{ columns | join(', ') }})
{%- endmacro %}

{# The plain characters a regular expression begins with, in upper case: what every code that matches must start with. #}
{% macro literal_prefix(pattern) -%}
  {{ return(adapter.dispatch('literal_prefix')(pattern)) }}
{%- endmacro %}

{#
  DuckDB compiles a pattern that is not a constant once a row (17 microseconds); the prefix keeps it to the
  codes that may match. A character that may be missing (`?`, `*`, `{0}`) is no prefix, nor is one of several choices.
#}
{% macro duckdb__literal_prefix(pattern) -%}
  case
    when contains({{ pattern }}, '|') then ''
    else upper(regexp_replace(regexp_extract({{ pattern }}, '^[A-Za-z0-9_-]*[?*{]?'), '.?[?*{]$', ''))
  end
{%- endmacro %}

{# Whether a normalised code matches a pattern as a whole, whatever the case of either; null where the pattern is no regular expression. #}
{% macro code_matches(code, pattern) -%}
  {{ return(adapter.dispatch('code_matches')(code, pattern)) }}
{%- endmacro %}

{# DuckDB: `try` because one broken pattern among a shop's campaigns must not stop the day. #}
{% macro duckdb__code_matches(code, pattern) -%}
  try(regexp_full_match({{ code }}, '(?i)' || {{ pattern }}))
{%- endmacro %}

{# A text as part of a segment's id: small letters and digits, everything else one underscore. #}
{% macro segment_slug(text) -%}
  {{ return(adapter.dispatch('segment_slug')(text)) }}
{%- endmacro %}

{# DuckDB: RE2, all occurrences. #}
{% macro duckdb__segment_slug(text) -%}
  trim(regexp_replace(lower({{ text }}), '[^a-z0-9]+', '_', 'g'), '_')
{%- endmacro %}

{# What a mailbox is without plus tags, and without dots where the provider ignores them: a sign, never an identity. #}
{% macro folded_email(email) -%}
  {{ return(adapter.dispatch('folded_email')(email)) }}
{%- endmacro %}

{# DuckDB: the same folding as strip_plus_tags and gmail_dots, whatever these are set to. #}
{% macro duckdb__folded_email(email) -%}
  case
    when split_part({{ email }}, '@', 2) in ('gmail.com', 'googlemail.com')
      then replace(split_part(split_part({{ email }}, '@', 1), '+', 1), '.', '') || '@gmail.com'
    else split_part(split_part({{ email }}, '@', 1), '+', 1) || '@' || split_part({{ email }}, '@', 2)
  end
{%- endmacro %}

{# A JSON object with what a rule says added to it, where there is a rule. #}
{% macro with_rule(object, is_rule, words) -%}
  {{ return(adapter.dispatch('with_rule')(object, is_rule, words)) }}
{%- endmacro %}

{# DuckDB: json_object escapes the words; the extension is part of the package. #}
{% macro duckdb__with_rule(object, is_rule, words) -%}
  case when {{ is_rule }} is null then {{ object }} else cast(json_merge_patch({{ object }}, json_object('rule', {{ words }})) as varchar) end
{%- endmacro %}

{# A number that stands for a place, whatever the case of its names. #}
{% macro place_hash(country, region, city) -%}
  {{ row_hash(['lower(' ~ country ~ ')', 'lower(' ~ region ~ ')', 'lower(' ~ city ~ ')']) }}
{%- endmacro %}
