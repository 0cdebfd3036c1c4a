from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.sources import PhoneResult, normalise_phones
from tests.integration.load_shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def put_phones(shop: Shop, phones: list[str]) -> None:
    rows = "".join(f'{i},2026-01-05,1,"{phone}"\n' for i, phone in enumerate(phones))
    shop.orders("order_id,ordered_at,total_amount,phone\n" + rows)


def known(shop: Shop) -> dict[str, str | None]:
    return dict(shop.query("SELECT phone, e164 FROM raw.phone_numbers"))


def test_every_spelling_of_a_number_and_nothing_else(shop: Shop):
    put_phones(
        shop,
        ["(202) 555-0123", "+1 202 555 0123", "'+12025550123", "202-555-0123 ext. 4", "", "555",
         "+44 20 7946 0018", "020 7946 0018", "not a phone", "1" * 300, "(202) 555-0123"],
    )  # fmt: skip
    shop.put("suppressions.csv", "phone\n+12025550199\n")
    shop.load("suppressions")
    assert normalise_phones(shop.con, "US") == PhoneResult(new=10, valid=6, invalid=4)
    assert known(shop) == {
        "(202) 555-0123": "+12025550123",
        "+1 202 555 0123": "+12025550123",
        "'+12025550123": "+12025550123",
        "202-555-0123 ext. 4": "+12025550123",
        "555": None,
        "+44 20 7946 0018": "+442079460018",
        "020 7946 0018": None,
        "not a phone": None,
        "1" * 300: None,
        "+12025550199": "+12025550199",
    }


def test_only_new_texts_are_parsed_and_unused_ones_forgotten(shop: Shop):
    put_phones(shop, ["2025550123", "2025550124"])
    assert normalise_phones(shop.con, "US").new == 2
    assert normalise_phones(shop.con, "US") == PhoneResult(new=0, valid=2, invalid=0)
    put_phones(shop, ["2025550124", "2025550125"])
    assert normalise_phones(shop.con, "US") == PhoneResult(new=1, valid=2, invalid=0)
    assert set(known(shop)) == {"2025550124", "2025550125"}


def test_another_country_reads_every_number_again(shop: Shop):
    put_phones(shop, ["020 7946 0018"])
    assert normalise_phones(shop.con, "US") == PhoneResult(new=1, valid=0, invalid=1)
    assert normalise_phones(shop.con, "GB") == PhoneResult(new=1, valid=1, invalid=0)
    assert known(shop) == {"020 7946 0018": "+442079460018"}


def test_no_phones_at_all(shop: Shop):
    assert normalise_phones(shop.con, "US") == PhoneResult(new=0, valid=0, invalid=0)
    put_phones(shop, ["2025550123"])
    normalise_phones(shop.con, "US")
    put_phones(shop, [""])
    assert normalise_phones(shop.con, "US") == PhoneResult(new=0, valid=0, invalid=0)
