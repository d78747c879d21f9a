"""How long a memory each learner can build: two tasks with a delay L, one pass, equal time a step.

    python -m benchmarks.memory                                   # the table, the plot and the JSON of docs/memory.md
    python -m benchmarks.memory --task copying --cells gru --quick

Streams stand in copying.py and patterning.py, the online loop in training.py, what is compared in __main__.py.
"""
