"""What the tests share: normal forms, engines, colours and deterministic models."""
