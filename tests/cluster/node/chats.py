"""What clients of the lab's language model ask over OpenAI's protocol, and how they read its streams."""

import json

PATH = "/openai/v1/chat/completions"
"""What KServe's clients call."""
CHAT = {
    "model": "smollm",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 12,
    "temperature": 0,
}


def streamed(text):
    """What the events of a stream say together; the last one is its end."""
    *events, end = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert end == "[DONE]"
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
