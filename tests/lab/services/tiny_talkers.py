"""Tiny servers of OpenAI's chats, streamed and not; real sockets. Each repeats the question."""

import json

from tiny_models import Model, _Handler


class Talker(Model):
    """One server.

    Attributes:
        template: Tokens that its chat template puts before each prompt.
        second: What it says as its second word, where that is another word than legacy's.
        near: Whether legacy's word is among its candidates there, and its own among legacy's.
    """

    def __init__(self):
        """Listen on a free port of this machine."""
        self.template, self.second, self.near = [1], "", True
        super().__init__()

    def document(self, asked):
        """What the answer is made of."""
        prompt = asked["messages"][0]["content"]
        return {"asked": asked, "words": self.words(prompt), "prompt": [*self.template, *map(ord, prompt)]}

    def words(self, prompt):
        """The answer, a token each."""
        found = [f" {word}" for word in prompt.split()]
        return [found[0], self.second or found[1], *found[2:]]

    def candidates(self, word):
        """The likeliest tokens in the place of a word: itself, and what it nearly was."""
        return [word, " twin", " is", " a", " language", " which"] if self.near else [word]


class _Chats(_Handler):
    model: Talker

    def _say(self, status, document):
        if status != 200:
            super()._say(status, document)
            return
        asked, words, prompt = document["asked"], document["words"], document["prompt"]
        pinned = bool(asked.get("logprobs"))
        choices = [self._choice(word, pinned=pinned) for word in words]
        told = {"prompt_token_ids": prompt} if asked.get("return_token_ids") else {}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(words)}
        if not asked.get("stream"):
            entries = [c["logprobs"]["content"][0] for c in choices] if pinned else None
            logprobs = {"content": entries} if pinned else None
            choice = {"message": {"content": "".join(words)}, "logprobs": logprobs, "finish_reason": "stop"}
            super()._say(200, {"choices": [choice], "usage": usage, **told})
            return
        pieces = [
            {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None, **choice}]}
            for word, choice in zip(words, choices, strict=True)
        ]
        pieces[0] |= told
        pieces[-1]["choices"][0]["finish_reason"] = "stop"
        self._stream([*pieces, {"choices": [], "usage": usage}])

    def _choice(self, word, *, pinned):
        top = [{"token": token, "logprob": -1.0} for token in self.model.candidates(word)]
        return (
            {"logprobs": {"content": [{"token": word, "logprob": -1.0, "top_logprobs": top}]}}
            if pinned
            else {}
        )

    def _stream(self, pieces):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in (*(json.dumps(piece) for piece in pieces), "[DONE]"):
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


Talker.handler = _Chats
