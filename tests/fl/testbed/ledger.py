"""Books that trust nobody: what agents computed and what the server applied, written with what they are about.

agent     Σ w·Δ of the rounds whose update reached its disk, and on the air c·g of each attempt, in the agent's own file
server    the attempts in which it has counted each agent, Σ c·g as it was told, and Σ of the means, in the checkpoint

A process that is killed at any instant has them, or neither them nor what they are about. For each agent

    Σ w·Δ  =  Σ c·g counted  +  m        and for SGD at rate 1      θ_T  =  θ_0  −  Σ means
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from safetensors import safe_open

from fl import checkpoint
from fl.testbed import agent_store
from fl.testbed.agent_work import AgentWork
from fl.testbed.server_work import ServerWork, last_heard_of

COUNTED = "ledger_counted_"
HEARD = "ledger_heard"
MARKED = "ledger_marked_"
MEANS = "ledger_means"
ROUNDS = "ledger_rounds"


def keep_agent_books(path, on_air):
    """Let an agent's process keep books in its file.

    Args:
        path: of the file; books that are there are gone on with.
        on_air: whether to keep what was on the air: the server hears it, and need not be told.
    """
    books, fresh, written = _read_books(path), {}, {}
    update, serialise, save = AgentWork._update, agent_store.save, agent_store.AgentStore.save

    def noted_update(self, theta, attempt):
        delta, loss = update(self, theta, attempt)
        fresh.clear()  # books of a soak, too, are to be flat
        fresh[attempt.round] = delta.clone()
        return delta, loss

    def with_books(tensors, metadata):
        about = json.loads(metadata["airmeta"])
        index = None if about["pending"] is None else about["pending"][1]
        total, rounds, marked = books.get("total"), books.get("rounds", []), dict(books.get("marked", {}))
        if on_air and "carried" in tensors:
            marked[_name(*about["pending"])] = tensors["carried"].clone()
        if index in fresh and index not in rounds:
            total, rounds = fresh[index] if total is None else total + fresh[index], [*rounds, index]
        written.update(total=total, rounds=rounds, marked=marked)
        extra = (
            {} if total is None else {"ledger": total.contiguous(), ROUNDS: torch.from_numpy(_padded(np.array(rounds)))}
        )
        return serialise(tensors | extra | marked, metadata)

    def noted_save(self, kept):
        save(self, kept)
        books.update(written)

    AgentWork._update, agent_store.save, agent_store.AgentStore.save = noted_update, with_books, noted_save


def keep_server_books():
    """Let a server's process keep books in its checkpoint."""
    books, written = {}, {}
    step, save, load = ServerWork._step, checkpoint.save, checkpoint.load

    def noted_step(self, gathered, outcome):
        sent = {agent: gathered.sent[agent] for agent in outcome.heard if agent in gathered.sent}
        updates = {
            agent: one.fraction * one.oracle_kept if one.update is None else one.update for agent, one in sent.items()
        }
        after, at = dict(books), (outcome.attempt.sequence, outcome.attempt.round)
        heard = np.array([(agent, *at) for agent in sorted(outcome.heard)], np.int64).reshape(-1, 3)
        before = books.get(HEARD, np.zeros((0, 3), np.int64))
        after[HEARD] = _padded(np.concatenate([before[before[:, 0] >= 0], heard]))
        for agent, update in updates.items():
            after[f"{COUNTED}{agent}"] = after.get(f"{COUNTED}{agent}", 0) + update.numpy()
        if updates:
            weight = sum(self.weights[agent] for agent in updates)
            after[MEANS] = after.get(MEANS, 0) + sum(updates.values()).numpy() / weight
        written.clear()
        written.update(after)
        return step(self, gathered, outcome)

    def with_books(folder, saved):
        save(folder, replace(saved, control=saved.control | written))
        books.update(written)

    def noted_load(folder, device="cpu"):
        saved = load(folder, device)
        books.update({name: values for name, values in saved.control.items() if name.startswith("ledger")})
        return saved

    ServerWork._step, checkpoint.save, checkpoint.load = noted_step, with_books, noted_load


@dataclass(frozen=True)
class Books:
    """What one agent's books and the server's say of it at the end of a run.

    Args:
        computed: Σ w·Δ, shape (d,).
        counted: Σ c·g, shape (d,).
        residual: m, shape (d,); what the server has decided and the agent not yet written is settled.
        rounds: in which it computed.
    """

    computed: torch.Tensor
    counted: torch.Tensor
    residual: torch.Tensor
    rounds: list[int]


def books_of(out, state, agent):
    """Return the books of an agent.

    Args:
        out: folder of the run.
        state: folder of its agents.
        agent: id.
    """
    saved = checkpoint.load(out)
    store = agent_store.AgentStore(state, agent)
    kept = store.load()
    store.close()
    if kept.pending is not None:
        kept = kept.settle((agent, kept.pending) in last_heard_of(saved))
    noted = _read_books(store.path)
    counted = torch.zeros_like(saved.state.theta)
    if marked := noted.get("marked"):
        heard = [_name(*row[1:]) for row in saved.control[HEARD].tolist() if row[0] == agent]
        assert len(heard) == len(set(heard))
        counted = sum((marked[name] for name in heard), start=counted)
    elif (name := f"{COUNTED}{agent}") in saved.control:
        counted = torch.from_numpy(saved.control[name])
    residual = torch.zeros_like(counted) if kept.residual is None else kept.residual
    return Books(noted.get("total", torch.zeros_like(counted)), counted, residual, noted.get("rounds", []))


def _read_books(path):
    if not path.exists():
        return {}
    with safe_open(path, framework="pt") as file:
        names = file.keys()
        if "ledger" not in names:
            return {}
        marked = {name: file.get_tensor(name) for name in names if name.startswith(MARKED)}
        rounds = [index for index in file.get_tensor(ROUNDS).tolist() if index >= 0]
        return {"total": file.get_tensor("ledger"), "rounds": rounds, "marked": marked}


def _padded(rows):
    """Return rows, and −1 up to a power of two: safetensors keeps a type for good for each size that it meets."""
    wanted = 1 << max(4, (len(rows) - 1).bit_length())
    return np.concatenate([rows, np.full((wanted - len(rows), *rows.shape[1:]), -1, rows.dtype)])


def _name(sequence, index):
    return f"{MARKED}{sequence}_{index}"
