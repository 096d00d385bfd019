"""How pairs of nodes of the user-item graph are related: hop distance, common users, same brand, same category.

Only pairs that are asked for are computed. For a node the items near it are held as a row of bits:

    item i    N2(i): items that share a user with i                  S2(i): items that share at least two users with i
    user u    N1(u): items of u                                      N3(u): items that share a user with an item of u

Then the distance of two nodes follows from whether such sets have a common item: two items are at most four hops apart
if N2(i) and N2(j) have one, a user and an item at most five if N3(u) and N2(i) have one.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.user_items import NO_GROUP, UserItemGraph

Codes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Bits = NDArray[np.uint64]

#: The lower four bits of a code. `NO_PAIR`: one of the two is no node. `NOT_CONNECTED`: more than five hops apart.
(
    NO_PAIR,
    SAME_NODE,
    BOUGHT,
    ONE_COMMON_USER,
    COMMON_USERS,
    COMMON_ITEM,
    THREE_HOPS,
    FOUR_HOPS,
    FIVE_HOPS,
    NOT_CONNECTED,
) = range(10)
#: Bits of a code: both items have the same brand, the same category.
SAME_BRAND, SAME_CATEGORY = 16, 32
#: The number of codes, and the bits of one that hold the kind of connection.
CODES, CONNECTION = 64, 15
#: The relations that codes stand for, in the order of `relation_table`.
RELATIONS: Final = (
    "same_node",
    "bought",
    "bought_together",
    "bought_together_by_several",
    "common_item",
    "three_hops",
    "four_hops",
    "five_hops",
    "same_brand",
    "same_category",
)
#: Largest hop distance that is told apart from "not connected", and the value that stands for the latter.
MOST_HOPS, FAR = 6, 7
_HOPS = {
    SAME_NODE: 0,
    BOUGHT: 1,
    ONE_COMMON_USER: 2,
    COMMON_USERS: 2,
    COMMON_ITEM: 2,
    THREE_HOPS: 3,
    FOUR_HOPS: 4,
    FIVE_HOPS: 5,
}
#: Bytes of the bits of nodes, and of the codes of rows, that are held.
BIT_BYTES, ROW_BYTES = 1 << 27, 1 << 26
#: Least number of nodes whose bits are held, and the sizes (entries) of what is computed at once.
LEAST_NODES, BLOCK = 1024, 1 << 24
#: Least work of an item for which counting purchases is faster than a product of matrices.
POPULAR = 20_000


def relation_table() -> NDArray[np.float32]:
    """(R, `CODES`) whether a code stands for a relation; a pair can have several."""
    code = np.arange(CODES)
    connection = code & CONNECTION
    connections = {
        "same_node": (SAME_NODE,),
        "bought": (BOUGHT,),
        "bought_together": (ONE_COMMON_USER, COMMON_USERS),
        "bought_together_by_several": (COMMON_USERS,),
        "common_item": (COMMON_ITEM,),
        "three_hops": (THREE_HOPS,),
        "four_hops": (FOUR_HOPS,),
        "five_hops": (FIVE_HOPS,),
    }
    rows = [np.isin(connection, kinds) for kinds in connections.values()]
    rows += [(code & bit) > 0 for bit in (SAME_BRAND, SAME_CATEGORY)]
    return np.stack(rows).astype(np.float32)


def published_weights() -> NDArray[np.float32]:
    """(`CODES`,) the weight of a code in the published form of graph attention (Wang et al. 2024, arXiv 2402.09617).

    M = minmax(G + S) with G the adjacency matrix and S = minmax(max(6 - hops, 0)): 1 for neighbours, 6/11 for a node
    and itself, (6 - hops)/11 for two to five hops, else 0. It is their matrix for every graph that has an edge and two
    nodes without a path of five hops.
    """
    weights = np.zeros(CODES, dtype=np.float32)
    for connection, hops in _HOPS.items():
        weight = 1.0 if hops == 1 else (6 - hops) / 11
        weights[(np.arange(CODES) & CONNECTION) == connection] = weight
    return weights


def constant_weights() -> NDArray[np.float32]:
    """(`CODES`,) 1 for every pair of nodes, 0 where one of the tokens is no node."""
    return ((np.arange(CODES) & CONNECTION) != NO_PAIR).astype(np.float32)


class NodePairs:
    """Codes of pairs of nodes, with a bounded memory of nodes and rows asked for before; several threads may ask.

    Parameters
    ----------
    graph
        The graph.
    bit_bytes, row_bytes
        Memory for the bits of nodes, and for the codes of rows.
    """

    def __init__(self, graph: UserItemGraph, bit_bytes: int = BIT_BYTES, row_bytes: int = ROW_BYTES) -> None:
        self.graph = graph
        self._words = -(-max(1, graph.item_count) // 64)
        self._capacity = max(LEAST_NODES, bit_bytes // (16 * self._words))
        self._capacity = min(self._capacity, max(1, graph.node_count))
        self._bits = np.empty((0, 2, self._words), dtype=np.uint64)
        self._slots = np.full(graph.node_count, -1, dtype=np.int32)
        self._filled = 0
        self._rows: OrderedDict[bytes, Codes] = OrderedDict()
        self._row_bytes, self._cached_bytes = row_bytes, 0
        self._lock = RLock()

    def codes(self, nodes: Ints) -> Codes:
        """(B, T, T) codes of all pairs of nodes within each row of ``nodes`` (B, T); -1 is no node."""
        result = np.zeros((*nodes.shape, nodes.shape[1]), dtype=np.uint8)
        positions = [np.flatnonzero(row >= 0) for row in nodes]
        sequences = [row[position] for row, position in zip(nodes, positions, strict=True)]
        with self._lock:
            codes_of_rows = list(self._codes_of(sequences))
        for index, codes in codes_of_rows:
            position, count = positions[index], len(positions[index])
            if count and position[-1] == count - 1:  # without gaps
                result[index, :count, :count] = codes
            elif count:
                result[index, position[:, None], position] = codes
        return result

    def cross_codes(self, query: Ints, key: Ints) -> Codes:
        """(B, T, S) codes of the pairs of ``query`` (B, T) and ``key`` (B, S) of the same row; -1 is no node."""
        result = np.zeros((*query.shape, key.shape[1]), dtype=np.uint8)
        row, left, right = np.nonzero((query >= 0)[:, :, None] & (key >= 0)[:, None])
        result[row, left, right] = self.pair_codes(query[row, left], key[row, right])
        return result

    def distances(self, left: Ints, right: Ints) -> NDArray[np.uint8]:
        """(P,) hop distances of P pairs of nodes, 0 to `MOST_HOPS`; `FAR` where there is no path of six hops."""
        hops = np.full(CODES, FAR, dtype=np.uint8)
        for connection, distance in _HOPS.items():
            hops[(np.arange(CODES) & CONNECTION) == connection] = distance
        result = hops[self.pair_codes(left, right)]
        unknown = np.flatnonzero(result == FAR)
        if len(unknown):
            with self._lock:
                result[unknown[self._within_six(left[unknown], right[unknown])]] = 6
        return result

    def pair_codes(self, left: Ints, right: Ints) -> Codes:
        """(P,) codes of P pairs of nodes."""
        result = np.empty(len(left), dtype=np.uint8)
        with self._lock:
            for part in self._parts(left, right):
                result[part] = self._pair_codes(left[part], right[part])
        return result

    def _codes_of(self, sequences: Sequence[Ints]) -> Iterator[tuple[int, Codes]]:
        """The index and the codes (n, n) of each sequence of n nodes; sequences seen before need no computation."""
        keys = [sequence.tobytes() for sequence in sequences]
        missing = {key: index for index, key in enumerate(keys) if key not in self._rows}
        computed = dict(zip(missing, self._compute([sequences[index] for index in missing.values()]), strict=True))
        for index, key in enumerate(keys):
            codes = computed.get(key)
            if codes is None:
                codes = self._rows[key]
                self._rows.move_to_end(key)
            yield index, codes
        for key, codes in computed.items():
            self._rows[key] = codes
            self._cached_bytes += len(key) + codes.nbytes
        while self._cached_bytes > self._row_bytes:
            key, codes = self._rows.popitem(last=False)
            self._cached_bytes -= len(key) + codes.nbytes

    def _compute(self, sequences: Sequence[Ints]) -> list[Codes]:
        """Codes (n, n) of each sequence: one triangle is computed, the other is its mirror image."""
        lower = [_lower_triangle(len(sequence)) for sequence in sequences]
        if not lower:
            return []
        left = np.concatenate([sequence[row] for sequence, (row, _) in zip(sequences, lower, strict=True)])
        right = np.concatenate([sequence[column] for sequence, (_, column) in zip(sequences, lower, strict=True)])
        codes = self.pair_codes(left, right)
        results, start = [], 0
        for sequence, (row, column) in zip(sequences, lower, strict=True):
            square = np.empty((len(sequence), len(sequence)), dtype=np.uint8)
            square[row, column] = square[column, row] = codes[start : start + len(row)]
            results.append(square)
            start += len(row)
        return results

    def _parts(self, left: Ints, right: Ints) -> Iterator[slice]:
        """The pairs in parts whose nodes fit into the memory for bits."""
        size = max(1, self._capacity // 2)
        if len(left) <= size or len(np.unique(np.concatenate([left, right]))) <= self._capacity:
            yield slice(0, len(left))
            return
        for start in range(0, len(left), size):
            yield slice(start, start + size)

    def _pair_codes(self, left: Ints, right: Ints) -> Codes:
        """The codes of pairs whose nodes fit into the memory for bits."""
        users = self.graph.user_count
        first, second = np.minimum(left, right), np.maximum(left, right)  # of a user and an item, the user is first
        codes = np.full(len(left), NOT_CONNECTED, dtype=np.uint8)
        same = first == second
        codes[same] = SAME_NODE
        self._load(np.unique(np.concatenate([first[~same], second[~same]])))
        for chosen, relate in (
            (~same & (first >= users), self._relate_items),
            (~same & (first < users) & (second >= users), self._relate_user_item),
            (~same & (second < users), self._relate_users),
        ):
            index = np.flatnonzero(chosen)
            if len(index):
                codes[index] = relate(first[index], second[index])
        return codes

    def _relate_items(self, left: Ints, right: Ints) -> Codes:
        """Codes of pairs of different items."""
        users = self.graph.user_count
        codes = np.full(len(left), NOT_CONNECTED, dtype=np.uint8)
        together = self._contains(right, 0, left - users)
        several = self._contains(right, 1, left - users)
        codes[together], codes[several] = ONE_COMMON_USER, COMMON_USERS
        self._mark(codes, left, 0, right, 0, FOUR_HOPS)
        for group, bit in ((self.graph.brand, SAME_BRAND), (self.graph.category, SAME_CATEGORY)):
            equal = (group[left - users] == group[right - users]) & (group[left - users] != NO_GROUP)
            codes[equal] |= bit
        return codes

    def _relate_user_item(self, user: Ints, item: Ints) -> Codes:
        """Codes of pairs of a user and an item."""
        codes = np.full(len(user), NOT_CONNECTED, dtype=np.uint8)
        codes[self._contains(user, 0, item - self.graph.user_count)] = BOUGHT
        self._mark(codes, user, 0, item, 0, THREE_HOPS)
        self._mark(codes, user, 1, item, 0, FIVE_HOPS)
        return codes

    def _relate_users(self, left: Ints, right: Ints) -> Codes:
        """Codes of pairs of different users."""
        codes = np.full(len(left), NOT_CONNECTED, dtype=np.uint8)
        self._mark(codes, left, 0, right, 0, COMMON_ITEM)
        self._mark(codes, left, 1, right, 0, FOUR_HOPS)
        return codes

    def _contains(self, node: Ints, kind: int, item: Ints) -> NDArray[np.bool_]:
        """(P,) whether the item is in a set of the node."""
        word = self._bits[self._slots[node], kind, item >> 6]
        return np.asarray((word >> (item & 63).astype(np.uint64)) & np.uint64(1), dtype=np.bool_)

    def _mark(self, codes: Codes, left: Ints, left_kind: int, right: Ints, right_kind: int, connection: int) -> None:
        """Set the code of pairs that are not connected so far, and whose sets have a common item."""
        index = np.flatnonzero(codes == NOT_CONNECTED)
        size = max(1, BLOCK // 8 // self._words)
        for start in range(0, len(index), size):
            part = index[start : start + size]
            common = self._bits[self._slots[left[part]], left_kind] & self._bits[self._slots[right[part]], right_kind]
            codes[part[common.any(axis=1)]] = connection

    def _load(self, nodes: Ints) -> None:
        """Compute the bits of nodes that are not held."""
        missing = nodes[self._slots[nodes] < 0]
        if self._filled + len(missing) > self._capacity:
            self._make_room(nodes)
        needed = self._filled + len(missing)
        if needed > len(self._bits):
            size = max(needed, min(2 * len(self._bits), self._capacity))
            self._bits = np.concatenate([self._bits, np.empty((size - len(self._bits), 2, self._words), np.uint64)])
        users = self.graph.user_count
        for items in self._blocks(missing[missing >= users] - users):
            self._store(items + users, self._item_bits(items))
        self._store(missing[missing < users], self._user_bits(missing[missing < users]))

    def _make_room(self, nodes: Ints) -> None:
        """Drop the bits of nodes except the given ones, and those of the items that take longest to compute."""
        cached = np.flatnonzero(self._slots >= 0)
        wanted = np.isin(cached, nodes, assume_unique=True)
        others = cached[~wanted]
        work = np.zeros(len(others))
        is_item = others >= self.graph.user_count
        work[is_item] = self._work[others[is_item] - self.graph.user_count]
        count = min(self._capacity - len(nodes), self._capacity // 2)
        kept = np.concatenate([cached[wanted], others[np.argsort(-work, kind="stable")[:count]]])
        self._bits[: len(kept)] = self._bits[self._slots[kept]]
        self._slots[:] = -1
        self._slots[kept] = np.arange(len(kept))
        self._filled = len(kept)

    def _store(self, nodes: Ints, bits: Bits) -> None:
        """Hold the bits (n, 2, words) of n nodes."""
        stop = self._filled + len(nodes)
        self._bits[self._filled : stop] = bits
        self._slots[nodes] = np.arange(self._filled, stop)
        self._filled = stop

    @cached_property
    def _work(self) -> NDArray[np.float64]:
        """(I,) number of purchases of the buyers of each item, which its sets are computed from."""
        lengths = np.diff(cast("Any", self.graph.purchases).indptr).astype(np.float64)
        return np.asarray(self.graph.buyers @ lengths)

    def _blocks(self, items: Ints) -> Iterator[Ints]:
        """Items in blocks, so that neither a table of their sets nor the purchases of their buyers outgrow `BLOCK`."""
        if len(items):
            block = np.cumsum(np.maximum(self._work[items], 64 * self._words)) // BLOCK
            yield from np.split(items, np.flatnonzero(np.diff(block)) + 1)

    def _item_bits(self, items: Ints) -> Bits:
        """(n, 2, words) the bits of N2 and S2 of n items."""
        result = np.empty((len(items), 2, self._words), dtype=np.uint64)
        is_popular = self._work[items] > max(POPULAR, self.graph.item_count / 8)
        for index in np.flatnonzero(is_popular).tolist():  # counting is faster than a product of matrices
            buyers = self.graph.buyers[[items[index]]].indices
            counts = np.bincount(self.graph.purchases[buyers].indices, minlength=64 * self._words)
            for kind in (0, 1):
                result[index, kind] = np.packbits(counts > kind, bitorder="little").view(np.uint64)
        rare = np.flatnonzero(~is_popular)
        common: Any = self.graph.common_users(items[rare])
        row = np.repeat(np.arange(len(rare)), np.diff(common.indptr))
        several = common.data > 1
        result[rare, 0] = self._packed(len(rare), row, common.indices)
        result[rare, 1] = self._packed(len(rare), row[several], common.indices[several])
        return result

    def _user_bits(self, users: Ints) -> Bits:
        """(n, 2, words) the bits of N1 and N3 of n users; N3 unites N2 of their items."""
        result = np.zeros((len(users), 2, self._words), dtype=np.uint64)
        purchases: Any = self.graph.purchases[users]
        row, item = np.repeat(np.arange(len(users)), np.diff(purchases.indptr)), purchases.indices.astype(np.int64)
        result[:, 0] = self._packed(len(users), row, item)
        slots = self._slots[item + self.graph.user_count]
        for index in np.flatnonzero(slots >= 0).tolist():
            result[row[index], 1] |= self._bits[slots[index], 0]
        not_held = slots < 0
        for items in self._blocks(np.unique(item[not_held])):
            near = self._item_bits(items)[:, 0]
            for index in np.flatnonzero(not_held & np.isin(item, items)).tolist():
                result[row[index], 1] |= near[np.searchsorted(items, item[index])]
        return result

    def _packed(self, rows: int, row: Any, item: Any) -> Bits:
        """(rows, words) bits, set for each item of each row."""
        result = np.zeros(rows * self._words, dtype=np.uint64)
        word = row.astype(np.int64) * self._words + (item >> 6)
        np.bitwise_or.at(result, word, np.uint64(1) << (item & 63).astype(np.uint64))
        return result.reshape(rows, self._words)

    def _within_six(self, left: Ints, right: Ints) -> NDArray[np.bool_]:
        """Whether pairs that are farther apart than five hops have a path of six hops."""
        users, result = self.graph.user_count, np.zeros(len(left), dtype=np.bool_)
        for start in range(0, len(left), LEAST_NODES // 2):
            part = slice(start, start + LEAST_NODES // 2)
            self._load(np.unique(np.concatenate([left[part], right[part]])))
            for index in range(start, min(start + LEAST_NODES // 2, len(left))):
                nodes = left[index], right[index]
                if (nodes[0] < users) != (nodes[1] < users):
                    continue  # a user and an item have an odd distance
                sets = self._bits[self._slots[np.array(nodes)], 1 if nodes[0] < users else 0]
                if nodes[0] >= users:
                    sets[0] = self._two_hops_on(sets[0])
                result[index] = bool((sets[0] & sets[1]).any())
        return result

    def _two_hops_on(self, bits: Bits) -> Bits:
        """The items that share a user with any item of a set."""
        members = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
        buyers = np.unique(self.graph.buyers[members].indices)
        items = np.unique(self.graph.purchases[buyers].indices)
        return self._packed(1, np.zeros(len(items), dtype=np.int64), items)[0]


@lru_cache(maxsize=64)
def _lower_triangle(size: int) -> tuple[Ints, Ints]:
    """Rows and columns of the lower triangle of a square matrix, its diagonal included."""
    return np.tril_indices(size)
