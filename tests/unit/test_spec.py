from __future__ import annotations

from pathlib import Path

import pytest

from syncs import SpecError, load_specs
from syncs.spec import AudienceSpec, EventSpec, ProfileSpec
from syncs.spec_files import load_spec

ROOT = Path(__file__).resolve().parents[2]

PROFILE = """\
name: usage
description: Tells who used a code.
owner: growth@example.com
destination: klaviyo_profile
audience: everyone
identify_by: {email: email}
properties: {used: ever_used_discount_code}
"""
EVENT = """\
name: entries
description: One event an entry.
owner: growth@example.com
destination: klaviyo_event
audience: new_multi_buyer
identify_by: {email: email}
event: {name: New Multi-Buyer, on: entered, max_age_days: 3}
properties: {CUSTOMER_SEGMENT: {value: segment_new_multi_buyers}}
"""
AUDIENCE = """\
name: mirror
description: Mirrors a segment.
owner: growth@example.com
destination: facebook_audience
audience: {any_of: [lapsed_hvc], none_of: [won_back]}
audience_name: Win back
identify_by: {EMAIL: email}
"""


def write(folder: Path, text: str) -> Path:
    name = text.split("name: ", 1)[1].split("\n", 1)[0]
    file = folder / f"{name}.yml"
    file.write_text(text)
    return file


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(write(folder, text))
    return str(caught.value)


def test_the_shipped_specs_load_in_running_order() -> None:
    names = list(load_specs(ROOT / "syncs" / "specs"))
    assert set(names) >= {
        "klaviyo_discount_usage", "attentive_discount_usage", "facebook_discount_users",
        "klaviyo_new_multi_buyers", "attentive_new_multi_buyers", "klaviyo_lifecycle",
        "klaviyo_hvc_events", "facebook_lapsed_hvc",
    }  # fmt: skip
    assert names.index("klaviyo_new_multi_buyer_property") < names.index("klaviyo_new_multi_buyers")
    assert names.index("klaviyo_lifecycle") < names.index("klaviyo_hvc_events")


def test_each_kind_is_read(tmp_path: Path) -> None:
    event = load_spec(write(tmp_path, EVENT))
    assert isinstance(load_spec(write(tmp_path, PROFILE)), ProfileSpec)
    assert isinstance(load_spec(write(tmp_path, AUDIENCE)), AudienceSpec)
    # YAML 1.1 would read the key `on` as true.
    assert isinstance(event, EventSpec)
    assert event.event.on == "entered"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROFILE.replace("audience:", "audiense:"), ":5: unknown key 'audiense' (did you mean 'audience'?)"),  # noqa: E501
        (PROFILE + "when_left: set_fals\n", ":8: when_left: 'set_fals' is not allowed (did you mean 'set_false'?)"),  # noqa: E501
        (PROFILE.replace("klaviyo_profile", "klaviyo_profil"), ":4: unknown destination 'klaviyo_profil' (did you mean 'klaviyo_profile'?)"),  # noqa: E501
        (PROFILE.replace("owner: growth@example.com\n", ""), "owner is missing"),
        (PROFILE.replace("growth@example.com", "growth"), ":3: owner"),
        (PROFILE + "owner: other@example.com\n", ":8: 'owner' is given twice"),
        (PROFILE + "guard: {max_remved: 1}\n", ":8: unknown key 'max_remved' (did you mean 'max_removed'?)"),  # noqa: E501
        (PROFILE.replace("{used: ever", "{$used: ever"), "not starting with $"),
        (PROFILE.replace("{used: ever", "{email: ever"), "would shadow"),
        (PROFILE + "  bad: [\n", "not YAML"),
        (PROFILE.replace("everyone", "{any_of: []}"), "any_of is empty"),
        (PROFILE.replace("everyone", "{none_of: [a]}"), "none_of alone"),
        (EVENT.replace("new_multi_buyer\n", "everyone\n"), "needs the segment"),
        (EVENT.replace("max_age_days: 3", "max_age_days: soon"), ":7:"),
        (AUDIENCE.replace("EMAIL: email", "EMAL: email"), ":7: identify_by: 'EMAL' is no matching key (did you mean 'EMAIL'?)"),  # noqa: E501
        (AUDIENCE.replace("EMAIL: email", "FN: first_name"), "EMAIL or PHONE is needed"),
        (PROFILE.replace("klaviyo_profile", "attentive_attribute") + "when_left: clear\n", "cannot clear"),  # noqa: E501
        (PROFILE.replace("klaviyo_profile", "attentive_attribute") + "update_only: true\n", "cannot tell"),  # noqa: E501
        (PROFILE.replace("klaviyo_profile", "attentive_attribute").replace("used:", "'us(ed':"), "Attentive takes no ("),  # noqa: E501
        (EVENT.replace("name: New Multi-Buyer", "name: {new_hvc: A}"), "one name per segment"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_and_fix(tmp_path: Path, text: str, said: str) -> None:
    message = error_of(tmp_path, text)
    assert said in message
    assert str(tmp_path) in message


def test_a_file_is_named_like_its_sync(tmp_path: Path) -> None:
    file = tmp_path / "other.yml"
    file.write_text(PROFILE)
    with pytest.raises(SpecError, match="differs from the file's name"):
        load_spec(file)


def test_after_must_exist_and_be_a_property_sync_of_the_account(tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    write(tmp_path, EVENT + "after: [usag]\n")
    with pytest.raises(SpecError, match="did you mean 'usage'"):
        load_specs(tmp_path)
    write(tmp_path, EVENT + "after: [usage]\n")
    assert list(load_specs(tmp_path)) == ["usage", "entries"]
    write(tmp_path, EVENT.replace("klaviyo", "attentive") + "after: [usage]\n")
    with pytest.raises(SpecError, match="same destination account"):
        load_specs(tmp_path)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no sync specs"):
        load_specs(tmp_path)
