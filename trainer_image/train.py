"""The baseline: a small GPT and its training loop.  This is the file that the agent rewrites.

The function is that of the parallelized-autoresearch tutorial's model (GPT-2 style blocks with a learnt
position embedding, after karpathy/autoresearch), computed with fused attention and a fused optimiser.
Metric: val_bpb, bits per byte, lower is better; measured elsewhere, on rows that are not here.
"""

import prepare
import torch
import torch.nn as nn
import torch.nn.functional as F
from autoresearch_types import ExperimentConfig, ExperimentResult

MAX_SEQ_LEN = prepare.MAX_SEQ_LEN
LOG_EVERY = 5  # steps


class CausalSelfAttention(nn.Module):
    """Multi-head attention to the past: [B, T, n_embd] to the same."""

    def __init__(self, n_embd: int, n_head: int, dropout: float) -> None:
        super().__init__()
        self.n_head = n_head
        self.p = dropout
        self.qkv = nn.Linear(n_embd, 3 * n_embd)
        self.proj = nn.Linear(n_embd, n_embd)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)
        p = self.p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return self.dropout(self.proj(y.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    """Two layers with a GELU between: [B, T, n_embd] to the same."""

    def __init__(self, n_embd: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_embd, 4 * n_embd)
        self.fc2 = nn.Linear(4 * n_embd, n_embd)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.fc2(F.gelu(self.fc1(x))))


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm, each added to its input."""

    def __init__(self, n_embd: int, n_head: int, dropout: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd, n_head, dropout)
        self.ln2 = nn.LayerNorm(n_embd)
        self.mlp = MLP(n_embd, dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class TinyGPT(nn.Module):
    """`model(idx)` gives logits [B, T, vocab]; with targets it gives the loss."""

    def __init__(self, vocab_size: int, config: ExperimentConfig) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, config.n_embd)
        self.pos_emb = nn.Embedding(MAX_SEQ_LEN, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.n_embd, config.n_head, config.dropout) for _ in range(config.n_layer)
        )
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, vocab_size, bias=False)

    def forward(
        self, idx: torch.Tensor, targets: torch.Tensor | None = None, reduction: str = "mean"
    ) -> torch.Tensor:
        positions = torch.arange(idx.shape[1], device=idx.device)
        x = self.drop(self.tok_emb(idx) + self.pos_emb(positions))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        if targets is None:
            return logits
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)
        return loss.view_as(targets) if reduction == "none" else loss


def run_training(config: ExperimentConfig) -> ExperimentResult:
    """Train one model and hand it over."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = prepare.Tokenizer.from_directory()
    model = TinyGPT(tokenizer.get_vocab_size(), config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01, fused=True)
    loader = prepare.make_dataloader(tokenizer, config.device_batch_size, MAX_SEQ_LEN, "train", device=device)

    model.train()
    steps = 0
    while steps < config.max_steps and prepare.used_s() < config.time_budget_sec:
        for _ in range(config.grad_accum_steps):
            x, y, _epoch = next(loader)
            loss = model(x, y) / config.grad_accum_steps
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps += 1
        if steps % LOG_EVERY == 0:
            prepare.log_step(steps, loss.item() * config.grad_accum_steps)

    dev_bpb = prepare.evaluate_bpb(model, tokenizer, config.device_batch_size, device=device)
    return ExperimentResult(
        title=config.title,
        val_bpb=dev_bpb,
        model_name=f"TinyGPT-L{config.n_layer}H{config.n_head}D{config.n_embd}",
        n_params=sum(p.numel() for p in model.parameters()),
        steps=steps,
        device=device.type,
        config=config,
        model=model,
    )
