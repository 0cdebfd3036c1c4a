from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dagster_project.sources import LoadError
from tests.integration.load_shop import ORDERS, Shop, csv_text

HEADER = ["order_id", "ordered_at", "total_amount", "tags"]
GOOD = "2026-01-05T10:00:00Z,10"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_quoted_fields_keep_commas_quotes_and_line_ends(shop: Shop):
    tags = ["plain", "a,b", 'she said "hi"', '"', '""', "", " padded ", "two\nlines", "'", '",",']
    rows = [[str(i), "2026-01-05T10:00:00Z", "10", tag] for i, tag in enumerate(tags)]
    result = shop.orders(csv_text([HEADER, *rows]))
    assert (result.rows, result.rejected) == (len(tags), 0)
    assert shop.column("SELECT tags FROM raw.orders ORDER BY order_id::int") == [
        tag or None for tag in tags
    ]


def test_line_numbers_count_physical_lines(shop: Shop):
    result = shop.orders(
        "order_id,ordered_at,total_amount,tags\n"
        f"1,{GOOD},plain\n"  # line 2
        f'2,{GOOD},"two\nlines and ""quotes"""\n'  # lines 3 and 4
        "\n"  # line 5 is blank and no row
        f"3,nonsense,10,x\n"  # line 6
        f'4,{GOOD},"three\n\nlines, one blank"\n'  # lines 7 to 9
        f'5,nonsense,10,"a\nb"\n'  # lines 10 and 11
        f"6,{GOOD}\n"  # line 12
        f"7,{GOOD},x,y\n"  # line 13
        f",{GOOD},x"  # line 14, without a line end
    )
    assert shop.rejected() == [
        (6, 'ordered_at "nonsense" is not a timestamp'),
        (10, 'ordered_at "nonsense" is not a timestamp'),
        (12, "the line has fewer fields than the header"),
        (13, "the line has more fields than the header"),
        (14, "order_id is missing"),
    ]
    assert shop.column("SELECT order_id FROM raw.orders ORDER BY 1") == ["1", "2", "4"]
    assert (result.rows, result.rejected) == (3, 5)


def test_line_numbers_below_a_header_of_two_lines_behind_blank_ones(shop: Shop):
    shop.orders(f'\n\norder_id,ordered_at,total_amount,"my\nnote"\nx,bad,1,\ny,{GOOD},z\n')
    assert shop.rejected() == [(5, 'ordered_at "bad" is not a timestamp')]
    assert shop.column('SELECT "my\nnote" FROM raw.orders') == ["z"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends(shop: Shop, line_end: str):
    rows = [HEADER, ["1", "bad", "1", ""], ["2", "2026-01-05", "3", "x\ny"], ["3", "bad", "1", ""]]
    shop.orders(csv_text(rows, "\n").replace("\n", line_end))
    assert [line for line, _ in shop.rejected()] == [2, 5]
    assert shop.query("SELECT order_id, tags FROM raw.orders") == [("2", "x\ny")]


def test_mixed_line_ends_in_one_file(shop: Shop):
    shop.orders(f"{ORDERS}1,{GOOD}\r\n2,{GOOD}\n\r\n3,bad,1\r\n4,{GOOD}")
    assert shop.rejected() == [(5, 'ordered_at "bad" is not a timestamp')]
    assert shop.column("SELECT order_id FROM raw.orders ORDER BY 1") == ["1", "2", "4"]


def test_a_byte_order_mark_belongs_to_no_column(shop: Shop):
    assert shop.orders(b"\xef\xbb\xbf" + f"{ORDERS}1,{GOOD}\n".encode()).rows == 1


def test_headers_match_whatever_their_case_and_blanks(shop: Shop):
    result = shop.orders(f" Order_ID ,ORDERED_AT,Total_Amount,Mood\n1,{GOOD},happy\n")
    assert result.extra_columns == ("Mood",)
    assert shop.query('SELECT order_id, "Mood" FROM raw.orders') == [("1", "happy")]


def test_bytes_that_are_not_utf8_reject_their_line_only(shop: Shop):
    content = csv_text([HEADER]).encode() + (
        f"1,{GOOD},ok\n".encode()
        + f"2,{GOOD},caf\xe9\n".encode("latin-1")
        + f"3,{GOOD},café \ufffd\n".encode()
        + b"\xff\xfe\x80\n"
    )
    shop.orders(content)
    assert shop.rejected() == [
        (3, "the line is not valid UTF-8"),
        (5, "the line is not valid UTF-8"),
    ]
    assert shop.rejected_rows()[0] == f"2,{GOOD},caf\ufffd"
    assert shop.column("SELECT tags FROM raw.orders ORDER BY order_id") == ["ok", "café \ufffd"]


@pytest.mark.parametrize("broken", ['"abc', 'x"abc', '"abc"def', '"a"b"', '"', '"a""'])
def test_a_broken_quote_costs_its_own_line_and_no_other(shop: Shop, broken: str):
    content = f"{csv_text([HEADER])}1,{GOOD},a\n2,{GOOD},{broken}\n3,{GOOD},c\n4,{GOOD},d\n"
    shop.orders(content)
    ids = set(shop.column("SELECT order_id FROM raw.orders"))
    assert ids >= {"1", "3", "4"}
    if not broken.startswith("x"):
        assert shop.rejected() == [(3, "the line has a badly quoted field")]
        assert shop.rejected_rows() == [f"2,{GOOD},{broken}"]
    else:
        assert shop.column("SELECT tags FROM raw.orders WHERE order_id = '2'") == [broken]


def test_a_broken_quote_between_records_of_several_lines(shop: Shop):
    shop.orders(
        f'{csv_text([HEADER])}1,{GOOD},"a\nb"\n'  # lines 2 and 3
        f'2,{GOOD},"never closed\n'  # line 4
        f"3,{GOOD},c\n"
        f'4,{GOOD},"closed"\n'  # line 6
        f'5,{GOOD},"d\ne"\n'
        f"6,bad,1,\n"  # line 9
    )
    assert [line for line, _ in shop.rejected()] == [4, 9]
    assert shop.column("SELECT order_id FROM raw.orders ORDER BY 1") == ["1", "3", "4", "5"]


def test_a_record_of_several_lines_with_too_few_fields_is_one_rejected_row(shop: Shop):
    shop.orders(f'{csv_text([HEADER])}1,"a\nb\nc"\n2,{GOOD},x\n')
    assert shop.rejected() == [(2, "the line has fewer fields than the header")]
    assert shop.rejected_rows() == ['1,"a\nb\nc"']


def test_nul_bytes_and_huge_fields(shop: Shop):
    huge = "x" * 5_000_000
    shop.orders(f"{csv_text([HEADER])}1,{GOOD},a\x00b\n2,{GOOD},{huge}\n3,bad,1,\x00\n4,{GOOD},y\n")
    assert shop.column("SELECT length(tags) FROM raw.orders ORDER BY order_id") == [3, 5_000_000, 1]
    assert shop.rejected_rows()[0]["tags"] == "\x00"


def test_a_nul_byte_in_the_first_row_does_not_make_the_file_binary(shop: Shop):
    assert shop.orders(f"{csv_text([HEADER])}1,{GOOD},\x00\n").rows == 1


def test_rows_across_blocks_of_the_reader(shop: Shop):
    note = "x" * 1000
    lines = [f'{i},{GOOD},"{note}\n{note}"' for i in range(10_000)]
    lines[7_777] = "7777,bad,1,"
    result = shop.orders("\n".join([",".join(HEADER), *lines]))
    assert (result.rows, shop.rejected()[0][0]) == (9_999, 2 + 2 * 7_777)


def test_gzip(shop: Shop):
    shop.put("orders.csv.gz", gzip.compress(f"{ORDERS}1,{GOOD}\n2,bad,1\n".encode()))
    assert (shop.load().rows, shop.rejected()[0][0]) == (1, 3)


def test_a_damaged_gzip_file_is_named(shop: Shop):
    whole = gzip.compress(b"".join(b"%d,x,1\n" % i for i in range(100_000)))
    shop.put("orders.csv.gz", whole[: len(whole) // 2])
    with pytest.raises(LoadError, match=r"orders\.csv\.gz"):
        shop.load()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (f"{ORDERS}1,{GOOD}\n".encode("utf-16"), "UTF-16"),
        ("ordér_id,x\n".encode("latin-1"), "not UTF-8"),
        (b"order_id;ordered_at;total_amount\n1;2;3\n", "comma"),
    ],
)
def test_files_that_are_no_csv_say_what_they_are(shop: Shop, content: bytes, said: str):
    with pytest.raises(LoadError, match=rf"orders\.csv.*{said}"):
        shop.orders(content)


def test_a_header_without_rows_is_an_empty_table(shop: Shop):
    shop.put("customers.csv", "customer_id\n")
    result = shop.load("customers")
    assert (result.rows, result.rejected, result.present) == (0, 0, True)


def test_a_file_with_one_column_has_no_rows_in_blank_lines(shop: Shop):
    shop.put("orders.csv", f"{ORDERS}1,{GOOD}\n")
    shop.put("customers.csv", "customer_id\nC1\n\nC2\n\n")
    assert shop.load("customers").rows == 2


anything = st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\r"))
cell = st.one_of(
    st.sampled_from(["", "1", "10", "2026-01-05", "2026-01-05T10:00:00Z", "x", '"', ",", "\n"]),
    anything,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(st.lists(cell, min_size=4, max_size=4), max_size=12))
def test_every_row_is_loaded_rejected_or_a_repetition(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    rows = [row for row in rows if any(row)]
    assume(rows)
    result = shop.orders(csv_text([HEADER, *rows]))
    assert result.rows + result.rejected + result.duplicates == len(rows)
    assert result.rejected == len(shop.rejected())
    starts = {}
    line = 2
    for row in rows:
        starts[line] = row
        line += 1 + sum(field.count("\n") for field in row)
    for (source_line, _), stored in zip(shop.rejected(), shop.rejected_rows(), strict=True):
        expected = dict(zip(HEADER, (field or None for field in starts[source_line]), strict=True))
        assert stored == expected
    loaded = set(shop.query("SELECT order_id, tags FROM raw.orders"))
    assert loaded <= {(row[0], row[3] or None) for row in rows}
    shop.con.close()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=st.one_of(st.binary(max_size=400), st.text('",\n\rab1', max_size=200)))
def test_no_bytes_crash_the_load_and_every_good_line_survives(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
):
    noise = content.encode() if isinstance(content, str) else content
    shop = Shop(tmp_path_factory.mktemp("shop"))
    good = b"".join(f"good{i},{GOOD}\n".encode() for i in range(3))
    shop.orders(ORDERS.encode() + good + noise + b"\n")
    assert {"good0", "good1", "good2"} <= set(shop.column("SELECT order_id FROM raw.orders"))
    shop.con.close()
