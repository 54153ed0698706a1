"""GRPO over HTTP: a small model learns sums that it is bad at, and no step is off-policy.

    verbatim serve --model examples/models/tiny-chat &
    python grpo.py --out run

The bundled model adds two-digit numbers but fails where one number has two digits and the other has one. Every step
samples a group of answers to each of a few such sums, rewards the right ones, improves the policy, and refits the server
in place. Before it learns from the samples it has the server score them, and compares the log-probabilities: as bits.
"""
import argparse
import os
import pathlib
import random
import re
import time

# The trainer's operations are small: one thread is as fast as two, and waits for nobody. (Read when numpy is imported.)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy

from policy import Policy
from report import machine, write
from server import Server

HERE = pathlib.Path(__file__).resolve().parent
MODEL = HERE.parent / "models" / "tiny-chat"


def questions():
    """Every (question, result): a number of two digits plus or minus one of one digit."""
    pairs = [(a, b) for a in range(10, 100) for b in range(1, 10)]
    return [(f"What is {a} + {b}?", a + b) for a, b in pairs] + [(f"What is {a} - {b}?", a - b) for a, b in pairs]


def reward(sample, result):
    """1 where the answer came to its end and its last number is the result; else 0."""
    answer = re.sub(r"(?<=\d) ?- ?(?=\d)", " ", sample.text.split("</think>")[-1])  # "23 - 4": no number is negative
    numbers = re.findall(r"-?\d+", answer)
    return float(sample.ended and bool(numbers) and int(numbers[-1]) == result)


def group_advantages(rewards, size):
    """What a sample is worth: its reward against those of its group. A group of equal rewards teaches nothing."""
    groups = numpy.reshape(rewards, (-1, size))
    return ((groups - groups.mean(1, keepdims=True)) / (groups.std(1, keepdims=True) + 1e-4)).ravel()


def differences(sampled, scored):
    """How far the log-probabilities of all tokens are from those that were sampled."""
    return numpy.concatenate(scored) - numpy.concatenate(sampled)


def kl_divergence(d):
    """The sampling distribution's KL from the scoring one, in nats a token: the usual estimate, mean of exp(d) - 1 - d."""
    d = numpy.asarray(d, numpy.float64)
    return float(numpy.mean(numpy.expm1(d) - d))


def learn(policy, samples, advantages, rows=16):
    """One update of the policy. Returns how the trainer's own log-probabilities differ from the server's: trainer - server."""
    sequences = [s.prompt + s.ids for s in samples]
    used = sorted((i for i in range(len(samples)) if advantages[i] != 0), key=lambda i: len(sequences[i]))
    if not used:
        return numpy.array([])
    weights = {name: w.astype(numpy.float32) for name, w in policy.rounded().items()}
    total, errors = {}, []
    for batch in (used[at:at + rows] for at in range(0, len(used), rows)):
        ids = numpy.zeros((len(batch), len(sequences[batch[-1]])), int)
        response_mask = numpy.zeros(ids.shape, bool)
        for row, i in enumerate(batch):
            ids[row, :len(sequences[i])] = sequences[i]
            response_mask[row, len(samples[i].prompt):len(sequences[i])] = True
        old = numpy.concatenate([samples[i].log_probs for i in batch]).astype(numpy.float32)
        token_advantages = numpy.repeat(advantages[batch], response_mask.sum(1)).astype(numpy.float32)
        gradient, new = policy.gradient(weights, ids, response_mask, old, token_advantages)
        total = {name: total.get(name, 0) + g for name, g in gradient.items()}
        errors.append(new - old)
    tokens = sum(len(s.ids) for s in samples)
    policy.improve({name: g / tokens for name, g in total.items()})
    return numpy.concatenate(errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server, which serves --model")
    parser.add_argument("--admin-key", help="where the server asks for one: it allows a refit, and all the rest")
    parser.add_argument("--model", type=pathlib.Path, default=MODEL, help="the checkpoint to start from")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--questions", type=int, default=16, help="asked in a step")
    parser.add_argument("--group", type=int, default=8, help="samples of a question")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default="run", help="folder for reward.csv, grpo.svg and record.json")
    a = parser.parse_args()

    rng = random.Random(a.seed)
    asked = questions()
    rng.shuffle(asked)
    held_out, asked = asked[:100], asked[100:]
    server, policy = Server(a.url, a.admin_key), Policy(a.model, a.learning_rate)

    def ask(some, count, seed):
        samples = server.sample([server.tokenize(question) for question, _ in some], count, seed)
        return samples, numpy.array([reward(s, some[i // count][1]) for i, s in enumerate(samples)])

    began, rows, samples, sampled = time.time(), [], [], []
    for step in range(a.steps + 1):  # the last one only looks at what the others learned
        server.refit(policy.safetensors(), version=step)
        step_kl = kl_divergence(differences(sampled, server.score(samples))) if samples else ""
        held = round(float(ask(held_out, 4, seed=0)[1].mean()), 4) if step % 10 == 0 or step == a.steps else ""
        samples, rewards = ask(rng.sample(asked, a.questions), a.group, seed=a.seed * 1_000_000 + step)
        sampled, scored = [s.log_probs for s in samples], server.score(samples)
        kl = kl_divergence(differences(sampled, scored))
        same = numpy.concatenate(scored).tobytes() == numpy.concatenate(sampled).tobytes()
        assert same and kl == 0.0, f"step {step} is not on-policy: KL {kl}"
        own = learn(policy, samples, group_advantages(rewards, a.group)) if step < a.steps else numpy.array([])
        row = {"step": step, "weight_version": server.version, "reward": round(float(rewards.mean()), 4), "held_out": held,
               "tokens": sum(map(len, sampled)), "kl": kl, "step_kl": step_kl, "trainer_kl": kl_divergence(own) if len(own) else "",
               "trainer_error": float(numpy.exp(numpy.abs(own)).mean()) if len(own) else ""}
        rows.append(row)
        print("  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items() if value != ""), flush=True)
    compared = sum(r["tokens"] for r in rows)
    start, end = rows[0]["held_out"], rows[-1]["held_out"]
    write(a.out, rows, machine() | {
        "seconds": round(time.time() - began, 1), "steps": a.steps, "questions": a.questions, "group": a.group,
        "learning_rate": a.learning_rate, "seed": a.seed, "held_out_reward": {"start": start, "end": end},
        "log_probs_compared": compared, "largest_kl": max(r["kl"] for r in rows), "largest_step_kl": max((r["step_kl"] for r in rows[1:]), default=0.0),
        "largest_trainer_error": max(r["trainer_error"] or 1.0 for r in rows)})
    print(f"reward on held-out questions: {start:.3f} -> {end:.3f}; {compared} log-probabilities, sampled and scored: the same bits")


if __name__ == "__main__":
    main()
