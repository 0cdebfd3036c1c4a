{#
  Rules that people write as rows of seeds/reference. A row that cannot be meant stops the build with the file,
  the line and what is wrong: a rule that silently selects nobody would end somebody's flow.
#}

{# Rows of a reference file with their line in it, texts trimmed and empty cells null. #}
{% macro reference_rows(name, columns) -%}
  select
    row_number() over () + 1 as line,
    {% for column in columns -%}
    nullif(trim({{ column }}), '') as {{ column }}{{ ',' if not loop.last }}
    {% endfor %}
  from {{ ref(name) }}
{%- endmacro %}

{# `value`, or an error of the build where `problem` is not null. #}
{% macro unless_wrong(value, problem, name) -%}
  case
    when {{ problem }} is null then {{ value }}
    else {{ stop_with("'seeds/reference/" ~ name ~ ".csv line ' || line || ': ' || " ~ problem) }}
  end
{%- endmacro %}

{# Stops the query with a text. #}
{% macro stop_with(message) -%}
  {{ return(adapter.dispatch('stop_with')(message)) }}
{%- endmacro %}

{% macro duckdb__stop_with(message) -%}
  error({{ message }})
{%- endmacro %}

{# A text as a number, null where it is none. #}
{% macro as_number(text) -%}
  try_cast({{ text }} as decimal(18, 4))
{%- endmacro %}

{# A text as a whole number, null where it is none (2.5 is none). #}
{% macro as_whole_number(text) -%}
  case when regexp_full_match({{ text }}, '[0-9]{1,9}') then cast({{ text }} as integer) end
{%- endmacro %}

{# What is wrong with a cell that must be a whole number of at least `least`; null when nothing is, or the cell is empty. #}
{% macro whole_number_problem(column, least=1) -%}
  case
    when {{ column }} is not null and coalesce({{ as_whole_number(column) }}, -1) < {{ least }}
      then '{{ column }} "' || {{ column }} || '" is not a whole number of at least {{ least }}'
  end
{%- endmacro %}

{# What is wrong with a cell that must be an amount of at least 0. #}
{% macro amount_problem(column) -%}
  case
    when {{ column }} is not null and coalesce({{ as_number(column) }}, -1) < 0
      then '{{ column }} "' || {{ column }} || '" is not an amount of at least 0, such as 49.90'
  end
{%- endmacro %}

{# What is wrong with a cell that must be filled. #}
{% macro missing_problem(column) -%}
  case when {{ column }} is null then '{{ column }} is empty' end
{%- endmacro %}

{# What is wrong with the name of a segment. #}
{% macro segment_name_problem(column) -%}
  coalesce(
    {{ missing_problem(column) }},
    case
      when not regexp_full_match({{ column }}, '[a-z][a-z0-9_]*')
        then '{{ column }} "' || {{ column }} || '" is no name: use small letters, digits and _, beginning with a letter'
    end
  )
{%- endmacro %}

{# The code family a variable names, or an error of the build when there is none of that name. #}
{% macro known_family(variable) -%}
  (
    select case
      when count(*) > 0 then '{{ family_var(variable) }}'
      else {{ stop_with("'variable " ~ variable ~ ": there is no family \"" ~ family_var(variable) ~ "\" in seeds/reference/code_families.csv'") }}
    end
    from {{ ref('int_code_families') }}
    where family = '{{ family_var(variable) }}'
  )
{%- endmacro %}
