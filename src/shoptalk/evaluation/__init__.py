"""Evaluation: knows scores, ranked lists and truth, and no model.

==============  ==================================================================
bootstrap       an average, or any statistic of sums, with its interval over users
options         one right option among several: accuracy, macro F1, MRR, ECE
calibration     how far stated confidence is from being right
swap            the same options with somebody else's history
ranking         precision, recall, MRR, hit rate, NDCG and MAP at k
titles          generated titles against the catalogue
catalogue       the same for whole tables of lists, at 5, 10 and 20
id_map          ids as whole numbers, on which `catalogue`, `beyond_accuracy` and `segments` work
beyond_accuracy coverage, novelty, diversity, repeats, echoes, invalid items
segments        metrics by history length, popularity of the truth, cold items, ties
paired          one method against others: paired bootstrap, Holm correction
errors          what wrong answers have in common, beside what they would have by chance
predictions     reading anybody's predictions
verdict         what all figures of a run, or of several runs, come to
==============  ==================================================================
"""
