"""Side-by-side benchmarks against LangGraph and plain LCEL: `python -m benchmarks`.

`benchmarks.__main__` explains how to read the table. The parts, in the order they depend on each
other: `_rows` (what a line of the table is), `_timing` (interleaved rounds), `_workloads` (graphs
and chains every engine can run), `_graphs` (graphs whose runs are saved), `_kinds` (the ways a
scenario is measured), `_face`, `_saved`, `_threads`, `_memory`, `_compare` (scenarios of one subject
each), `_serving` (servers side by side; its parts are `_serving_*`: applications, processes, load, open streams, the
queue, the profile), `_scenarios` (the registry), `_report` (table and JSON).
"""
