"""Hand-made customers: one person who looks like several, and several who look like one."""

from seeds.sample_shop.bench import Bench
from seeds.sample_shop.days import ago, written
from seeds.sample_shop.orders import Discount
from seeds.sample_shop.people import Person
from seeds.sample_shop.tables import money

PEOPLE_AT_THE_TILL = 24


def add_people_traps(bench: Bench) -> None:
    """Traps 3.11 to 3.13, 3.18, 3.20 and 3.21, names, consent, carts and referrals."""
    _guests(bench)
    _addresses(bench)
    _phones(bench)
    _relays(bench)
    _contacts(bench)
    _names(bench)
    _rights(bench)
    _carts(bench)
    _offers(bench)


def _guests(bench: Bench) -> None:
    # trap 3.11: a guest has a new customer id each time and never types the address alike.
    for number, (age, email) in enumerate(
        (
            (95, "gus.guestly@post.example"),
            (55, " Gus.Guestly@Post.Example "),
            (15, "GUS.GUESTLY@POST.EXAMPLE"),
        ),
        start=1,
    ):
        guest = bench.stranger(f"trap-3-11-guest-{number}", "Gus Guestly", email=email)
        bench.buy(guest, age, "trap-3-11-guest")
    # trap 3.11: no customer id at all, only the address.
    nameless = bench.stranger(None, "Nils Nullman", email="nils.nullman@post.example")
    bench.buy(nameless, 66, "trap-3-11-null")
    bench.buy(nameless, 22, "trap-3-11-null")
    # trap 3.11: nobody; counted in the shop's totals and never a customer.
    nobody = Person(customer_id=None, first="", last="", email=None)
    for age in (30, 20, 10):
        bench.buy(nobody, age, "trap-3-11-nobody", source="pos", style="naive")


def _addresses(bench: Bench) -> None:
    # trap 3.12: one account, two addresses over time, and a guest order under the old one.
    new = bench.customer("trap-3-12-changed", "Chandra Changed", email="chandra.new@inbox.example")
    bench.buy(bench.also(new, email="chandra.old@inbox.example"), 130)
    bench.buy(new, 75)
    guest = bench.also(new, customer_id=None, email="Chandra.Old@inbox.example")
    bench.buy(guest, 25, "trap-3-12-changed")
    # trap 3.12: a couple shares a phone and stays two people.
    line = "+12125550198"
    bench.buy(
        bench.customer("trap-3-12-phone-a", "Petal Pairwise", phone=line), 40, with_phone=True
    )
    bench.buy(
        bench.customer("trap-3-12-phone-b", "Pierce Pairwise", phone=line), 30, with_phone=True
    )
    # trap 3.12: accounts were merged, an old order still carries the id that went away.
    merged = bench.customer("trap-3-12-merged", "Merida Mergeson")
    bench.buy(bench.also(merged, customer_id="trap-3-12-merged-gone"), 110, "trap-3-12-merged")
    bench.buy(merged, 35)
    # trap 3.12: an address nobody reads joins nobody.
    for letter, age in (("a", 48), ("b", 28)):
        bench.buy(
            bench.customer(
                f"trap-3-12-noreply-{letter}", f"Noel Noreply{letter}", email="noreply@mail.example"
            ),
            age,
        )
    # trap 3.12: the till sells on one account and takes everyone's own address: more people than
    # one customer id can be.
    for number in range(1, PEOPLE_AT_THE_TILL + 1):
        walk_in = bench.stranger(
            "trap-3-12-till", f"Tilly Till{number:02d}", email=f"walk-in.{number:02d}@post.example"
        )
        bench.buy(walk_in, 60 + number, source="pos", style="naive")


def _phones(bench: Bench) -> None:
    # trap 3.13: one number in four spellings: no country code, a spreadsheet's quote, an extension.
    for suffix, name, phone in (
        ("local", "Lorcan Localcall", "(313) 555-0190"),
        ("quoted", "Quincy Quoted", "'+13135550191"),
        ("extension", "Exley Extension", "313-555-0192 ext. 7"),
        ("dotted", "Dot Dottedline", "313.555.0193"),
    ):
        bench.buy(bench.customer(f"trap-3-13-{suffix}", name, phone=phone), 38, with_phone=True)
    # trap 3.13: a number without its area code is no number; nothing is guessed from its length.
    invalid = bench.customer("trap-3-13-invalid", "Ingrid Invalid", phone="555-0143")
    bench.buy(invalid, 38, with_phone=True)

    # trap 3.21: at the till only the phone was asked for; it belongs to a known customer.
    known = bench.customer("trap-3-21-known", "Tilda Tillphone", phone="+13125550194")
    bench.buy(known, 58)
    bench.buy(
        Person(None, "", "", None, "(312) 555-0194"),
        18,
        "trap-3-21-known",
        source="pos",
        style="naive",
        with_phone=True,
    )
    # trap 3.21: only ever a phone, in two spellings: one person without an address.
    for age, phone in ((52, "+13125550195"), (12, "312-555-0195")):
        bench.buy(
            Person(None, "", "", None, phone),
            age,
            "trap-3-21-phone",
            source="pos",
            style="naive",
            with_phone=True,
        )


def _relays(bench: Bench) -> None:
    # trap 3.20: a marketplace hides the buyers behind relay addresses: customers, not contacts.
    for letter, age in (("a", 47), ("b", 27)):
        bench.buy(
            bench.customer(
                f"trap-3-20-relay-{letter}",
                f"Market Buyer{letter}",
                email=f"buyer-{letter}81@relay.marketplace.example",
                consents={"email": "never", "sms": "never"},
            ),
            age,
            source="marketplace",
        )


def _contacts(bench: Bench) -> None:
    # Non-buyers, by what they agreed to; a pending double opt-in is not subscribed.
    for consent, name in (
        ("subscribed", "Sunniva Subscribed"),
        ("unsubscribed", "Ulf Unsubscribed"),
        ("pending", "Pia Pendingopt"),
        ("never", "Neva Neverasked"),
    ):
        bench.customer(
            f"trap-contact-{consent}",
            name,
            consents={"email": consent, "sms": "never"},
            created=ago(50, "10:00"),
        )
    bench.customer(
        "trap-contact-sms",
        "Smilla Smsonly",
        email=None,
        phone="+13075550196",
        consents={"email": "never", "sms": "subscribed"},
        created=ago(50, "10:00"),
    )
    # Signed up in the week of the last day (Monday to Saturday), and at the end of the week before.
    bench.customer("trap-r2-10-week", "Wim Thisweek", created=ago(5, "00:10"))
    bench.customer("trap-r2-10-before", "Wanda Lastweek", created=ago(6, "23:50"))

    # Suppressed people keep their attributes and get no messages.
    for channel, name, phone in (
        ("email", "Bo Bounced", None),
        ("sms", "Stina Stopped", "+13075550197"),
        ("ads", "Adele Adsoptout", None),
        ("all", "Alfons Allstopped", "+13075550198"),
    ):
        person = bench.customer(
            f"trap-suppressed-{channel}",
            name,
            phone=phone,
            consents={"email": "subscribed", "sms": "subscribed" if phone else "never"},
        )
        bench.buy(person, 31)
        bench.tables.add(
            "suppressions",
            email=None if channel == "sms" else (person.email or "").upper(),
            phone=phone,
            channel=channel,
            reason="asked to stop",
            since=written(ago(20)),
        )


def _names(bench: Bench) -> None:
    # Names are not ASCII, and may hold what a CSV file has to quote.
    for suffix, name in (
        ("diaeresis", "Zoë Brönte-Núñez"),
        ("slavic", "Łucja Żółwińska"),
        ("cjk", "小明 王"),
        ("comma", 'Ciaran O\'Quill, "Jr."'),
    ):
        bench.buy(
            bench.customer(f"trap-name-{suffix}", name, email=f"name.{suffix}@inbox.example"), 29
        )


def _rights(bench: Bench) -> None:
    # trap 3.18: forget these two; one asked with the account, one by an address in other letters.
    account = bench.customer("trap-3-18-account", "Erasmus Eraseme")
    bench.buy(account, 85)
    bench.tables.add(
        "erasure_requests",
        customer_id=account.customer_id,
        email=account.email,
        requested_at=written(ago(2)),
    )
    address = bench.customer("trap-3-18-email", "Fergal Forgetme")
    bench.buy(address, 85)
    bench.buy(bench.also(address, customer_id=None), 45, "trap-3-18-email")
    bench.tables.add(
        "erasure_requests", email="Fergal.Forgetme@MAIL.example", requested_at=written(ago(1))
    )


def _carts(bench: Bench) -> None:
    def cart(token: str, person: Person | None, hours: int, done: int | None = None) -> None:
        began = ago(hours // 24, f"{23 - hours % 24:02d}:00")
        bench.tables.add(
            "checkouts",
            checkout_token=token,
            created_at=written(began),
            updated_at=written(began),
            completed_at=None if done is None else written(ago(done)),
            customer_id=person.customer_id if person else None,
            email=person.email if person else None,
            total_amount=money(6400),
        )

    # R2.1: left three days ago; two carts of one person are one offer; bought since by another way;
    # nobody to write to; too old; too fresh.
    cart("trap-cart-open", bench.customer("trap-cart-open", "Opal Opencart"), 80)
    two = bench.customer("trap-cart-two", "Tove Twocarts")
    cart("trap-cart-two-1", two, 100)
    cart("trap-cart-two-2", two, 76)
    bought = bench.customer("trap-cart-bought", "Bram Boughtlater")
    cart("trap-cart-bought", bought, 100)
    bench.buy(bought, 2)
    cart("trap-cart-nobody", None, 90)
    cart("trap-cart-old", bench.customer("trap-cart-old", "Olaf Oldcart"), 24 * 30)
    cart("trap-cart-fresh", bench.customer("trap-cart-fresh", "Freya Freshcart"), 20)


def _offers(bench: Bench) -> None:
    # R2.8: an advocate, and somebody who recommended the shop to themselves.
    advocate = bench.customer("trap-r2-8-advocate", "Avery Advocate", postal="10031")
    friend = bench.customer("trap-r2-8-friend", "Frida Friendly", postal="11215")
    bench.buy(advocate, 150)
    bench.buy(friend, 90)
    itself = bench.customer("trap-r2-8-self", "Selby Selfrefer")
    bench.buy(itself, 90)
    for referrer, referred in ((advocate, friend), (itself, itself)):
        bench.tables.add(
            "referrals",
            referrer_customer_id=referrer.customer_id,
            referred_customer_id=referred.customer_id,
            referred_at=written(ago(95)),
        )

    # R3.10: three accounts, one flat, one browser, one phone, three welcome codes.
    for number, email in enumerate(
        ("wolf.welcome@mail.example", "wolf.welcome+2@mail.example", "wolf.welcome+3@mail.example"),
        start=1,
    ):
        person = bench.customer(
            f"trap-r3-10-{number}",
            f"Wolf Welcome{number}",
            email=email,
            postal="10040",
            phone="+12015550199",
            ip="2001:db8:ffff::1",
            agent="Mozilla/5.0 (Windows NT 10.0)",
            created=ago(60 - number, "10:00"),
        )
        bench.buy(
            person,
            50 - number,
            with_phone=True,
            discounts=(Discount("code", "WELCOME10", percent=10),),
        )
