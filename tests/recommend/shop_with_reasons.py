"""A shop in which it is known what is true of which products, for tests of reasons."""

import numpy as np

from shoptalk.graph.dated_purchases import DatedPurchases
from shoptalk.schema import History, Item, Reason

SHOP = {
    item.item_id: item
    for item in (
        Item("soap", "Rose soap", brand="Lumen", categories=("Care", "Soap"), description="With macadamia oil."),
        Item("oil", "Body oil", brand=" lumen ", categories=("Care", "Oil"), description="Of macadamia and rose."),
        Item("lamp", "Desk lamp", brand="Unknown", categories=("Home",)),
        Item("comb", "Wooden comb", brand="Unknown", categories=("Care", "Comb")),
        Item("plain", "Nothing shared"),
        Item("blank", "\u200b \n"),
    )
}
NUMBER = {item: number for number, item in enumerate(SHOP)}
#: Four users bought the lamp after the soap, two the comb, and one lamp and soap at the same time.
SEQUENCES = [["soap", "lamp"]] * 3 + [["soap", "comb", "lamp"], ["soap", "comb"]]


def purchases() -> DatedPurchases:
    rows = [
        (user, NUMBER[item], float(time)) for user, items in enumerate(SEQUENCES) for time, item in enumerate(items)
    ]
    rows += [(len(SEQUENCES), NUMBER["soap"], 0.0), (len(SEQUENCES), NUMBER["lamp"], 0.0)]
    user, item, time = zip(*rows, strict=True)
    return DatedPurchases(np.array(user), np.array(item), np.array(time))


def history(*items: str) -> History:
    return History("u", items)


def effects(**values: float) -> list[Reason]:
    return sorted((Reason(item, value) for item, value in values.items()), key=lambda reason: -reason.effect)
