"""What the shop sells, where it ships, whom it mails."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Product:
    """A product. Prices and costs are US cents; `cost` is None where the shop never recorded it."""

    sku: str
    title: str
    category: str
    vendor: str
    price: int
    cost: int | None
    is_gift_card: bool = False


PRODUCTS = (
    Product("BEAN-HOUSE", "House Blend 12 oz", "Coffee", "Larkfield", 1600, 720),
    Product("BEAN-DARK", "Dark Roast 12 oz", "Coffee", "Larkfield", 1650, 740),
    Product("BEAN-DECAF", "Decaf 12 oz", "Coffee", "Larkfield", 1750, 830),
    Product("BEAN-ETHI", "Ethiopia Single Origin 12 oz", "Coffee", "Amber Mill", 2100, 1080),
    Product("BEAN-COLO", "Colombia Single Origin 12 oz", "Coffee", "Amber Mill", 1950, 990),
    Product("BEAN-SUMA", "Sumatra Single Origin 12 oz", "Coffee", "Amber Mill", 2000, 1010),
    Product("BEAN-5LB", "House Blend 5 lb", "Coffee", "Larkfield", 6900, 3300),
    Product("COLD-BREW", "Cold Brew Packs", "Coffee", "Larkfield", 2400, 1100),
    Product("TEA-EARL", "Earl Grey Tin", "Tea", "Quiet Leaf", 1400, 560),
    Product("TEA-MINT", "Garden Mint Tin", "Tea", "Quiet Leaf", 1350, 520),
    Product("TEA-OOLO", "Mountain Oolong", "Tea", "Quiet Leaf", 1900, 900),
    Product("MUG-SAGE", "Stoneware Mug Sage", "Mugs", "Fenwick Clay", 2200, 900),
    Product("MUG-SAND", "Stoneware Mug Sand", "Mugs", "Fenwick Clay", 2200, 900),
    Product("MUG-SET4", "Stoneware Mugs, Set of 4", "Mugs", "Fenwick Clay", 7800, 3400),
    Product("TUMBLER", "Travel Tumbler 16 oz", "Mugs", "North Pier", 3200, 1400),
    Product("PRESS-8C", "French Press 8 Cup", "Brewing", "North Pier", 4500, 2050),
    Product("POUR-V6", "Pour-Over Dripper", "Brewing", "North Pier", 2900, 1150),
    Product("FILTERS", "Paper Filters 100", "Brewing", "North Pier", 900, 260),
    Product("KETTLE", "Gooseneck Kettle", "Brewing", "North Pier", 8900, 4700),
    Product("GRIND-HD", "Hand Grinder", "Brewing", "Copperleaf", 9800, 5100),
    Product("GRIND-EL", "Electric Burr Grinder", "Brewing", "Copperleaf", 18900, 11800),
    Product("SCALE", "Coffee Scale", "Brewing", "Copperleaf", 5400, 2600),
    Product("CANDLE-F", "Fig Candle", "Home", "Hollow Wick", 2600, 980),
    Product("CANDLE-C", "Cedar Candle", "Home", "Hollow Wick", 2600, 980),
    Product("THROW", "Wool Throw", "Home", "Millrace", 12500, 6900),
    Product("TOWELS", "Linen Tea Towels", "Home", "Millrace", 2800, 1200),
    Product("APRON", "Canvas Apron", "Home", "Millrace", 4200, 1900),
    Product("BOARD", "Walnut Serving Board", "Home", "Copperleaf", 6400, 3000),
    Product("HONEY", "Wildflower Honey", "Pantry", "Amber Mill", 1500, 700),
    Product("GRANOLA", "Maple Granola", "Pantry", "Amber Mill", 1200, 510),
    Product("SYRUP-VA", "Vanilla Syrup", "Pantry", "Larkfield", 1300, 430),
    # Three products whose cost nobody entered: margins over them are estimates.
    Product("SYRUP-HZ", "Hazelnut Syrup", "Pantry", "Larkfield", 1300, None),
    Product("TIN-LIMIT", "Winter Market Tin", "Home", "Hollow Wick", 1800, None),
    Product("BOOK", "The Slow Cup (book)", "Home", "Quiet Leaf", 2700, None),
    Product("GIFT-25", "Gift Card $25", "Gift cards", "Larkfield", 2500, None, is_gift_card=True),
    Product("GIFT-50", "Gift Card $50", "Gift cards", "Larkfield", 5000, None, is_gift_card=True),
)
BY_SKU = {product.sku: product for product in PRODUCTS}
# Weighted so that coffee leads; every weight belongs to the product at the same place.
DEMAND = tuple(
    (product.sku, {"Coffee": 9, "Tea": 4, "Pantry": 4, "Gift cards": 0}.get(product.category, 2))
    for product in PRODUCTS
)


@dataclass(frozen=True)
class Place:
    """Where an order ships; `tax` is in basis points, `postal` the start of the postal code."""

    country: str
    region: str
    city: str
    postal: str
    tax: int = 0


PLACES = (
    (Place("US", "NY", "New York", "100", 888), 14),
    (Place("US", "NY", "Brooklyn", "112", 888), 10),
    (Place("US", "NY", "Buffalo", "142", 875), 3),
    (Place("US", "NJ", "Montclair", "070", 663), 5),
    (Place("US", "CT", "New Haven", "065", 635), 3),
    (Place("US", "MA", "Boston", "021", 625), 7),
    (Place("US", "PA", "Philadelphia", "191", 800), 6),
    (Place("US", "VT", "Burlington", "054", 700), 2),
    (Place("US", "ME", "Portland", "041", 550), 2),
    (Place("US", "VA", "Richmond", "232", 600), 3),
    (Place("US", "NC", "Durham", "277", 750), 3),
    (Place("US", "GA", "Atlanta", "303", 890), 3),
    (Place("US", "FL", "Tampa", "336", 750), 3),
    (Place("US", "TX", "Austin", "787", 825), 5),
    (Place("US", "IL", "Chicago", "606", 1025), 6),
    (Place("US", "MI", "Ann Arbor", "481", 600), 3),
    (Place("US", "MN", "Minneapolis", "554", 903), 2),
    (Place("US", "CO", "Denver", "802", 881), 3),
    (Place("US", "CA", "Oakland", "946", 1075), 6),
    (Place("US", "CA", "San Diego", "921", 775), 3),
    (Place("US", "WA", "Seattle", "981", 1035), 4),
    (Place("US", "OR", "Eugene", "974"), 2),
    (Place("CA", "ON", "Toronto", "M5V 2"), 2),
    (Place("CA", "QC", "Montréal", "H2X 1"), 1),
)

AREA_CODES = (
    *("201", "202", "203", "206", "207", "208", "212", "213", "214", "215", "216", "217", "218"),
    *("219", "301", "302", "303", "304", "305", "307", "308", "309", "312", "313", "314"),
)
"""With each, 555-0100 to 555-0199 are valid numbers that are kept for fiction."""

MAIL_DOMAINS = ("mail.example", "post.example", "inbox.example")
"""Under the top-level domain that is reserved for examples: no message can ever arrive."""

AGENTS = (
    ("Mozilla/5.0 (iPhone)", 45),
    ("Mozilla/5.0 (Android)", 22),
    ("Mozilla/5.0 (Macintosh)", 18),
    ("Mozilla/5.0 (Windows NT 10.0)", 15),
)


@dataclass(frozen=True)
class Campaign:
    """A mailing with a code: one for all (`shared`), or one for each person (`prefix`)."""

    campaign_id: str
    name: str
    pattern: str
    starts_on: date
    ends_on: date
    percent: int
    shared: str | None = None
    prefix: str | None = None


CAMPAIGNS = (
    Campaign(
        "spring-24",
        "Spring restock 2024",
        "SPRING24",
        date(2024, 3, 18),
        date(2024, 4, 7),
        15,
        shared="SPRING24",
    ),
    Campaign(
        "holiday-24",
        "Holiday 2024",
        "HOLIDAY20",
        date(2024, 11, 22),
        date(2024, 12, 8),
        20,
        shared="HOLIDAY20",
    ),
    Campaign(
        "spring-25",
        "Spring restock 2025",
        "SPRING-[A-Z0-9]{4}",
        date(2025, 3, 17),
        date(2025, 4, 6),
        15,
        prefix="SPRING-",
    ),
    Campaign(
        "fall-25",
        "Fall favourites 2025",
        "FALL-[A-Z0-9]{4}",
        date(2025, 9, 15),
        date(2025, 10, 5),
        15,
        prefix="FALL-",
    ),
    # The code of the year before is used again: the last mailing before an order is what counts.
    Campaign(
        "holiday-25",
        "Holiday 2025",
        "HOLIDAY20",
        date(2025, 11, 21),
        date(2025, 12, 7),
        20,
        shared="HOLIDAY20",
    ),
    Campaign(
        "summer-26",
        "Iced summer 2026",
        "SUMMER15",
        date(2026, 6, 15),
        date(2026, 7, 5),
        15,
        shared="SUMMER15",
    ),
    Campaign(
        "fall-26",
        "Fall favourites 2026",
        "FALL-[A-Z0-9]{4}",
        date(2026, 10, 26),
        date(2026, 11, 15),
        15,
        prefix="FALL-",
    ),
    # Still running on the last day: whoever has not redeemed is pending, not a non-redeemer.
    Campaign(
        "holiday-26",
        "Holiday 2026",
        "HOLIDAY20",
        date(2026, 11, 20),
        date(2026, 12, 6),
        20,
        shared="HOLIDAY20",
    ),
)

FIRST_NAMES = (
    *("Ada", "Alma", "Amos", "Anika", "Arlo", "Astrid", "Bea", "Beck", "Callum", "Carys", "Cleo"),
    *("Cora", "Dalia", "Dario", "Dexter", "Edda", "Elio", "Elke", "Emre", "Enid", "Esme", "Ezra"),
    *("Fable", "Fern", "Finn", "Flora", "Gita", "Greta", "Hana", "Hazel", "Hugo", "Ida", "Ines"),
    *("Iris", "Ivo", "Jaya", "Joss", "Juno", "Kai", "Keziah", "Lale", "Lars", "Leif", "Linnet"),
    *("Lois", "Luca", "Mabel", "Malik", "Marlo", "Mika", "Mona", "Nadia", "Nell", "Nico", "Noor"),
    *("Odette", "Olive", "Orla", "Otis", "Pax", "Petra", "Pilar", "Quill", "Rafe", "Ravi", "Remy"),
    *("Rhea", "Rosa", "Rufus", "Sable", "Selma", "Silas", "Sorrel", "Tamar", "Teo", "Thea", "Una"),
    *("Vera", "Viggo", "Wren", "Yara", "Zadie", "Zora"),
)
LAST_NAMES = (
    *("Abernook", "Alderbank", "Applewick", "Ashgrove", "Barleymow", "Bellweather", "Birchall"),
    *("Blackwater", "Brambleby", "Briarton", "Bromfield", "Candlewood", "Cawdrey", "Clovermead"),
    *("Coldbrook", "Copperfeld", "Cottonwell", "Dapplemere", "Dovecote", "Duskwood", "Elderfield"),
    *("Emberly", "Fairweather", "Fallowfield", "Farthing", "Fennimore", "Finchley", "Foxglove"),
    *("Gladwell", "Goldthorn", "Greymist", "Hartsong", "Hathersage", "Hawksbury", "Heatherton"),
    *("Hollybush", "Honeycutt", "Inglewood", "Ivybridge", "Juniper", "Kestrelman", "Kingfisher"),
    *("Lanternby", "Larkspur", "Lavenham", "Linden", "Longacre", "Maplethorpe", "Marchbank"),
    *("Meadowcroft", "Millstone", "Moonriver", "Mossgrove", "Netherby", "Nightingale", "Oakhurst"),
    *("Oldfield", "Orchard", "Otterburn", "Partridge", "Pebblewick", "Pennywell", "Pinecroft"),
    *("Quickwater", "Quillfeather", "Ravenscar", "Redwing", "Riverstone", "Rookwood", "Rosewarne"),
    *("Saltmarsh", "Sedgewick", "Silverlake", "Skylark", "Snowdrop", "Sparrow", "Starling"),
    *(
        "Stonebridge",
        "Summerhay",
        "Sweetbriar",
        "Swiftwater",
        "Tanglewood",
        "Teasel",
        "Thistledown",
    ),
    *("Thornbury", "Underhill", "Velvetine", "Wanderley", "Waterford", "Wetherby", "Whitethorn"),
    *("Wickersham", "Wildermere", "Willowby", "Winterbourne", "Woodlark", "Yarrow", "Yewdale"),
)
