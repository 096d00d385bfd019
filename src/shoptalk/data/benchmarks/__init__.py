"""Files of questions and answers of other systems, read for the audit.

Every format becomes rows of one class, `BenchmarkRow`: prompt, answer, history, options, target. A format is one module
with ``EXAMPLE``, ``matches(row)`` and ``read(row, where)``, and one line in ``FORMATS`` of `formats`. Files are JSON
lines, one JSON array, CSV or tab-separated text, plain or gzip; nothing in them is ever executed.
"""
