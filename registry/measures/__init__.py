"""What an evaluation computes with: rows, metrics, slices, fairness, paired tests, speed.

scikit-learn scores, scipy tests, fairlearn compares groups; each is imported only where it is needed. All of it takes
arrays and gives the values of a report (`registry.evaluation`), and runs in the evaluation's own process.
"""
