"""The pytest plugin. pytest loads it in every run of its users, so that it imports nothing before a fixture is used."""
