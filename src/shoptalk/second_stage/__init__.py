"""The learned second stage: candidates of several sources, re-ranked by a learned model ("retrieve, then re-rank").

Start reading at `shoptalk.second_stage.recommender`. The parts, in the order in which they are used: `tables` (what is
counted from purchases and texts), `sources` (scores of all items by one method), `pool` (the union of the best items of
each source), `features` (one row for each user and candidate), `ranker` (LambdaMART, or linear weights), `fitting`
(which purchases each of them sees) and `storage`.
"""
