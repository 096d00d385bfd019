"""Exploration while serving: the last places of a list are drawn, and the probabilities are logged."""

import threading
import time
from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import func, select

from shoptalk.online.database import Database
from shoptalk.online.events import CLICK
from shoptalk.online.exploration import Drawn, epsilon, plackett_luce, thompson
from shoptalk.online.tables import EVENTS, RECOMMENDATIONS, SHOWN
from shoptalk.serve.settings import Exploration

#: Items beyond the list from which the last places are drawn.
POOL = 20
#: Days of answers that Thompson sampling learns from.
DAYS = 14.0


class Explorer:
    """Draws lists. For Thompson sampling it knows how often each product was shown, and clicked."""

    def __init__(self, exploration: Exploration) -> None:
        self.exploration = exploration
        self._generator = np.random.default_rng()
        self._lock = threading.Lock()
        self._clicks: Mapping[str, int] = {}
        self._shown: Mapping[str, int] = {}

    def learn(self, database: Database) -> None:
        """Count what was shown and clicked lately."""
        if self.exploration.method != "thompson":
            return
        since = time.time() - DAYS * 86_400
        lately = select(SHOWN.c.item_id, func.count()).join(
            RECOMMENDATIONS, RECOMMENDATIONS.c.recommendation_id == SHOWN.c.recommendation_id
        )
        clicked = (
            select(SHOWN.c.item_id, func.count(EVENTS.c.recommendation_id.distinct()))
            .join(
                EVENTS,
                (EVENTS.c.recommendation_id == SHOWN.c.recommendation_id) & (EVENTS.c.item_id == SHOWN.c.item_id),
            )
            .where(EVENTS.c.kind == CLICK, EVENTS.c.received >= since)
        )
        with database.read() as connection:
            shown = connection.execute(lately.where(RECOMMENDATIONS.c.created >= since).group_by(SHOWN.c.item_id))
            self._shown = {item: int(count) for item, count in shown}
            self._clicks = {item: int(count) for item, count in connection.execute(clicked.group_by(SHOWN.c.item_id))}

    def draw(self, items: Sequence[str], scores: Sequence[float], k: int) -> Drawn:
        """Draw a list of k out of more items, best first."""
        about, places = self.exploration, min(self.exploration.places, k // 2)
        if about.method == "epsilon":
            policy = epsilon(items, k, places=places, share=about.share)
        elif about.method == "plackett_luce":
            policy = plackett_luce(items, scores, k, places=places, temperature=about.temperature)
        else:
            clicks = [self._clicks.get(item, 0) for item in items]
            shown = [max(self._shown.get(item, 0), count) for item, count in zip(items, clicks, strict=True)]
            policy = thompson(items, clicks, shown, k, places=places)
        with self._lock:
            return policy.draw(self._generator)
