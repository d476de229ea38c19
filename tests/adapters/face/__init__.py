"""``as_lcel``: a graph, ours or LangGraph's, with the face of the chain that it replaced."""
