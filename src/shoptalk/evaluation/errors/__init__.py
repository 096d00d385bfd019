"""Error analysis: properties of wrong answers, compared with what is expected by chance.

==========  ====================================================================
answers     the answers of a model as arrays, from options or from rankings
similarity  similarity of the titles of a history and of other items
kinds       the kinds of errors; a new kind is one function and one line
groups      the share of each kind, its reference and typical examples
words       words in titles of wrong options that raise their rate of being chosen
what_if     answers for shortened histories
==========  ====================================================================
"""
