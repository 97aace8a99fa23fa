"""vLLM: serves language models over OpenAI's protocol; one server process an attempt."""
