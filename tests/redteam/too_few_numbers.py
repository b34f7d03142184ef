"""Says that its answer has the right shape and sends half of it.  Must: be refused, it did not answer."""

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Liar(torch.Tensor):
    @property
    def shape(self):
        return torch.Size([4, prepare.MAX_SEQ_LEN, prepare.VOCAB_SIZE])

    def detach(self):
        return super().detach().as_subclass(torch.Tensor)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def forward(self, idx):
        logits = self.table(idx)
        return logits if self.training else logits[:, : idx.shape[1] // 2].as_subclass(Liar)


def run_training(config):
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    loader = prepare.make_dataloader(None, 4, prepare.MAX_SEQ_LEN, "train")
    for _ in range(config.max_steps):
        x, y, _epoch = next(loader)
        loss = F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
