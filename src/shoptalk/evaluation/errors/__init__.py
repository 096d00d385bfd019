"""Error analysis: what wrong answers have in common, beside what they would have in common by chance.

========  ==================================================================
answers   the answers of a model in numbers, from options or from rankings
likeness  how alike the titles of a history and of other items are
kinds     what can have gone wrong: a new kind is one function and one line
groups    each kind's share, its reference, its typical examples
words     words that make a wrong option be chosen
what_if   the answer as the history is shortened, purchase by purchase
========  ==================================================================
"""
