// The scheduler's view of the world: plain numbers in, decisions out. A policy is a pure function over these.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace verbatim {

/// A sequence that holds no pages (new, or preempted and to be recomputed).
struct waiting {
  std::uint32_t id;
  int tokens;       ///< known tokens, all to be computed except `cached`
  int cached;       ///< leading tokens whose pages are in the prefix index now (multiple of the page)
  int cached_free;  ///< how many of those cached pages are unreferenced, i.e. counted in free_pages as well
  int passed = 0;   ///< how often batch::passed has named it
};

/// A sequence that holds pages. tokens - computed is what it could run now: 1 in decode, more in prefill.
struct running {
  std::uint32_t id;
  int tokens;       ///< known tokens
  int computed;     ///< tokens whose KV is in its pages
  int pages;        ///< pages it holds
  int shared = 0;   ///< how many of these other sequences hold too: they do not become free when it is preempted
};

/// Some tokens of one sequence in the next step.
struct scheduled {
  std::uint32_t id;
  int tokens;
};

struct batch_limits {
  int tokens;       ///< rows of a step (chunked prefill fills up to this)
  int sequences;    ///< running sequences at most
  int free_pages;   ///< unreferenced pages, cached ones included (they can be evicted)
  int page;         ///< tokens per page
  int chunk = 1 << 30;   ///< rows of prompts in a step in which sequences decode: those wait for the whole step
};

/// Decisions for one step. Order matters: preempt, then admit, then run. Vectors are reused; nothing allocates once warm.
struct batch {
  batch_limits limits{};
  std::vector<std::uint32_t> preempt;   ///< running sequences that give back all their pages
  std::vector<std::uint32_t> admit;     ///< waiting sequences that start; each also appears in `run`
  std::vector<scheduled> run;
  std::vector<std::uint32_t> passed;    ///< waiting sequences, once for each later one that is admitted before them
  void clear() { preempt.clear(), admit.clear(), run.clear(), passed.clear(); }
};

/// A policy: pure, no clock, no allocation once warm, no device. `w` is in queue order, `r` in order of admission.
template <class T>
concept scheduler = requires(T const t, std::span<waiting const> w, std::span<running const> r, batch& out) {
  { t(w, r, out) };
};

}  // namespace verbatim
