"""The words of the generated shop: products, brands, titles and reviews."""

#: Family of products -> its products; each is completed by the next one, and the last by the first.
FAMILIES: dict[str, tuple[str, ...]] = {
    "Hair Care": ("Shampoo", "Conditioner", "Hair Mask", "Styling Gel"),
    "Face Care": ("Face Wash", "Toner", "Day Cream", "Night Serum"),
    "Bath": ("Bath Soap", "Body Lotion", "Bath Salts", "Hand Cream"),
    "Tea Time": ("Black Tea", "Teapot", "Tea Strainer", "Tea Cup"),
    "Coffee Corner": ("Coffee Beans", "Coffee Grinder", "Coffee Filter", "Milk Jug"),
    "Dog Supplies": ("Dog Collar", "Dog Leash", "Dog Treats", "Dog Bed"),
    "Garden": ("Flower Seeds", "Plant Pot", "Potting Soil", "Watering Can"),
    "Desk": ("Notebook", "Ink Pen", "Pencil Case", "Desk Lamp"),
    "Kitchen": ("Frying Pan", "Spatula", "Cutting Board", "Kitchen Knife"),
    "Yoga": ("Yoga Mat", "Yoga Block", "Yoga Strap", "Water Bottle"),
}
#: All brands. Each family has six of them, so that most brands occur in several families.
BRANDS: tuple[str, ...] = (
    "Silver Birch",
    "Reed & Thistle",
    "Morning Dew",
    "Old Harbor",
    "Fox & Fern",
    "Blue Lantern",
    "North Meadow",
    "Copper Kettle",
    "Stone & Sage",
    "Golden Acorn",
    "Quiet River",
    "Red Barn",
)
BRANDS_OF_FAMILY = 6
#: Attributes that users prefer, for any product.
ATTRIBUTES: tuple[str, ...] = ("Lavender", "Organic", "Mint & Lime", "Classic White", "Travel Size", "Deluxe Black")
SIZES: tuple[str, ...] = ("Small", "Medium", "Large", "Extra Large", "Family Size", "Gift Box")
PACKS: tuple[str, ...] = ("", "Pack of 2", "Pack of 3", "Pack of 6")

#: Templates of titles, as sellers write them differently.
TITLES: tuple[str, ...] = (
    "{brand} {attribute} {product}, {size}",
    "{attribute} {product} by {brand} - {size}",
    "{brand} {product}  {attribute} ({size})",
)

#: Stars -> templates of the summary and the text of a review.
REVIEWS: dict[int, tuple[tuple[str, str], ...]] = {
    5: (
        ("Love it", "I love this {product}. {attribute} is exactly what I like, and {brand} never disappoints."),
        ("Five Stars", "The best {product} I have had. I will buy {brand} again."),
    ),
    4: (
        ("Very good", "A very good {product}. I like the {attribute} kind."),
        ("Four Stars", "Works well and arrived on time. Good {product} from {brand}."),
    ),
    3: (
        ("It is okay", "The {product} is okay, nothing special."),
        ("Three Stars", "Does what it says, but I expected more of {brand}."),
    ),
    2: (
        ("Not for me", "The {product} is not what I hoped for. {attribute} is not for me."),
        ("Two Stars", "Disappointing {product}, rather cheap."),
    ),
    1: (
        ("Do not buy", "A bad {product}, I sent it back."),
        ("One Star", "It broke in the first week. Never again {brand}."),
    ),
}
