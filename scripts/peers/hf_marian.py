"""A timed piece of Hugging Face's Marian under Seq2SeqTrainer, for scripts/bench_training.py; runs in .bench-peers.

Set up as its documentation does for speed on a CPU: batches grouped by length, as many sentences as make 4096 target tokens at the
mean length, eager attention (faster here than sdpa), fp32 (bf16 is slower here unless asked for).
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from torch.utils.data import Dataset
from transformers import MarianConfig, MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

PAD, EOS = 0, 3


class Pairs(Dataset):
    """Ids with the end token."""

    def __init__(self, folder: Path):
        self.sides = [json.loads((folder / f"ids.{name}.json").read_text()) for name in ("source", "target")]

    def __len__(self) -> int:
        return len(self.sides[0])

    def __getitem__(self, index: int) -> dict:
        source, target = (side[index] + [EOS] for side in self.sides)
        return {"input_ids": source, "labels": target, "length": len(target)}


def collate(rows: list[dict]) -> dict:
    """Padded tensors."""
    def padded(key: str, fill: int) -> torch.Tensor:
        longest = max(len(row[key]) for row in rows)
        return torch.tensor([row[key] + [fill] * (longest - len(row[key])) for row in rows])

    source, labels = padded("input_ids", PAD), padded("labels", -100)
    shifted = torch.full_like(labels, PAD)  # the trainer takes the labels away for its smoothing, so the model cannot shift them
    shifted[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == -100, PAD)
    return {"input_ids": source, "attention_mask": (source != PAD).long(), "decoder_input_ids": shifted, "labels": labels}


class Clock(TrainerCallback):
    """Counts target tokens and time after the warm-up, and ends the training."""

    def __init__(self, seconds: float):
        self.limit, self.tokens, self.begun, self.steps, self.seconds = seconds, 0, None, 0, 0.0

    def on_step_end(self, args, state, control, **_):
        """Start counting after three steps; stop when the time is over."""
        now = time.perf_counter()
        if state.global_step == 3:
            self.begun, self.tokens = now, 0
        if self.begun and now - self.begun > self.limit:
            self.seconds, control.should_training_stop = now - self.begun, True


def main() -> None:
    """Build, train for the given seconds, print the figures."""
    job = json.loads(sys.argv[1])
    pairs = Pairs(Path(job["folder"]))
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=job["vocabulary"], d_model=job["d_model"], encoder_layers=job["layers"], decoder_layers=job["layers"],
        encoder_attention_heads=job["heads"], decoder_attention_heads=job["heads"], encoder_ffn_dim=job["d_ff"],
        decoder_ffn_dim=job["d_ff"], dropout=job["dropout"], activation_function="relu", scale_embedding=True,
        pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=PAD, share_encoder_decoder_embeddings=True,
        max_position_embeddings=512, attn_implementation=job.get("attention", "eager"),
    )  # fmt: skip
    model = MarianMTModel(config)
    mean = sum(len(target) + 1 for target in pairs.sides[1]) / len(pairs)
    clock = Clock(job["seconds"])

    def counted(rows: list[dict]) -> dict:
        clock.tokens += sum(len(row["labels"]) for row in rows)
        return collate(rows)

    arguments = Seq2SeqTrainingArguments(
        output_dir=str(Path(job["folder"]) / "hf"), per_device_train_batch_size=round(job["max_tokens"] / mean),
        max_steps=100_000, learning_rate=1e-4, label_smoothing_factor=0.1, max_grad_norm=1.0, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, remove_unused_columns=False, use_cpu=True, dataloader_num_workers=0,
        bf16=job.get("bf16", False), train_sampling_strategy="group_by_length", length_column_name="length",
    )  # fmt: skip
    Seq2SeqTrainer(model=model, args=arguments, train_dataset=pairs, data_collator=counted, callbacks=[clock]).train()
    import transformers

    print(json.dumps({"tokens_per_second": clock.tokens / clock.seconds, "about": f"transformers {transformers.__version__}, fp32, eager"}))


if __name__ == "__main__":
    main()
