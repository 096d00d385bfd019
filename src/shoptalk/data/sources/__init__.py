"""Readers of raw files: every format becomes the same two tables.

``interactions``: user_id and item_id (text), timestamp (seconds since 1970, UTC, with fraction), position (order in the
source), rating and verified (null where unknown) and, where needed, review and summary.
``items``: item_id, title (null where missing), fallback (a text to use as title then) and, where needed, brand,
categories (array of text, the most specific last), description, features and price.

A new format is one module with ``read(data, fields, engine)`` and one line in ``SOURCES`` of `shoptalk.registry`.
"""
