"""Evaluation: metrics, intervals, tests and audits of scores and ranked lists; it knows no model.

===================  =================================================================
bootstrap            means and other statistics of sums, with intervals over users
options              multiple choice: accuracy, macro F1, MRR, ECE
calibration          confidence compared with accuracy
history_permutation  the same test cases with other users' histories
metrics              ranking metrics: recall, NDCG, hit rate, MRR, precision, MAP
catalogue            metrics of ranked lists of the whole catalogue, at 5, 10 and 20
id_map               item ids as integers
beyond_accuracy      coverage, novelty, diversity, repeated and invalid items
titles               generated titles compared with the catalogue
segments             metrics by history length, popularity, cold-start items and ties
paired               one method against others: paired bootstrap, Holm's correction
randomisation        the paired randomisation test
comparison           all pairs of several methods
power_law            learning curves and their extrapolation
choice               the simplest of several methods that may be as good as the best
expected_gap         what to expect of a model, from learning curves of other shops
errors               properties of wrong answers, compared with chance
audit                leaks and shortcuts
probe                classifiers that see the options only
predictions          reading files of predictions
verdict              the conclusion from all results of a run, or of several runs
===================  =================================================================
"""
