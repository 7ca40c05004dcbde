"""A timed piece of JoeyNMT's training, for scripts/bench_training.py; runs in .bench-peers.

Batches of 4096 tokens as its configurations have them (it does not group by length), fp32. Its own log tells target tokens per second.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

CONFIG = """
name: bench
joeynmt_version: "2.3.0"
model_dir: {folder}/joeynmt
use_cuda: False
fp16: False
random_seed: 1
data:
  train: {folder}/train
  dev: {folder}/train
  sample_dev_subset: 10
  dataset_type: plain
  src: {{lang: source, level: word, lowercase: False, voc_file: {folder}/vocabulary.txt, max_length: 250}}
  trg: {{lang: target, level: word, lowercase: False, voc_file: {folder}/vocabulary.txt, max_length: 250}}
testing: {{beam_size: 1, batch_size: 100, batch_type: sentence}}
training:
  optimizer: adam
  adam_betas: [0.9, 0.98]
  learning_rate: 0.0005
  scheduling: warmupinversesquareroot
  learning_rate_warmup: 2000
  normalization: tokens
  loss: crossentropy
  label_smoothing: 0.1
  clip_grad_norm: 1.0
  batch_size: {max_tokens}
  batch_type: token
  epochs: 1000
  validation_freq: 1000000
  logging_freq: 4
  shuffle: True
  overwrite: True
model:
  initializer: xavier_uniform
  tied_embeddings: True
  tied_softmax: True
  encoder: {stack}
  decoder: {stack}
"""
STACK = """{{type: transformer, num_layers: {layers}, num_heads: {heads}, hidden_size: {d_model}, ff_size: {d_ff}, dropout: {dropout},
    embeddings: {{embedding_dim: {d_model}, scale: True, dropout: 0.0}}}}"""
"""The encoder and the decoder are alike."""


def main() -> None:
    """Train until the time is over after the first figures, print their median."""
    job = json.loads(sys.argv[1])
    path = Path(job["folder"]) / "joeynmt.yaml"
    path.write_text(CONFIG.format(**job, stack=STACK.format(**job)), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "joeynmt", "train", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    speeds, output, begun = [], [], None
    for line in process.stdout:
        output.append(line)
        if found := re.search(r"Tokens per Sec:\s*([0-9.]+)", line):
            speeds.append(float(found[1]))
            begun = begun or time.monotonic()
            if len(speeds) > 3 and time.monotonic() - begun > job["seconds"]:
                process.kill()
    process.wait()
    if len(speeds) < 3:
        sys.exit("".join(output))
    print(json.dumps({"tokens_per_second": statistics.median(speeds[1:]), "about": "JoeyNMT 2.3.0, fp32"}))


if __name__ == "__main__":
    main()
