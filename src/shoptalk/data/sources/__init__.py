"""Readers of raw files: every format becomes the same two tables.

``interactions``: user_id, item_id (text), timestamp (seconds since 1970, UTC, with fraction), position (order in the
source), rating (null where unknown), verified (null where unknown), and, where they are needed, review and summary.
``items``: item_id, title (null where missing), fallback (what to call it then), and, where needed, brand, categories
(array of text, the most special last) and description.

A new format is one module with ``read(data, fields, engine)`` and one line in ``SOURCES`` of `shoptalk.registry`.
"""
