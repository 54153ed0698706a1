// Graphs of launches, by key: which are recorded, replayed and given up. What comes under a key for the first time is launched one by one,
// which loads the kernels; the second time it is recorded; from then on it is replayed. Host code without CUDA: recording is the executor's.
// Memory is bounded: at most `most` keys are remembered, and for another one the one whose last use is longest ago is forgotten: of those
// without a graph, while these are more than `reserve`, else of those with one. So keys that never come again cost `reserve` graphs and
// waits and one more at most, however many they are; and of new keys that come in turn, up to `reserve` and one more, each is still known
// when it comes again, whatever graphs there are. A graph's own memory is the driver's affair and grows with its launches. What fails is
// bounded too: a key is tried `most_tries` times, and after `most_failures` in a row nothing is recorded any more; graphs that are there are
// still replayed, and no key takes the place of one while another has none.
// Cost: a look-up a step; a new key allocates, and where there are `most`, it looks at all of them and may wait for the executor.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace verbatim::cuda {

/// All numbers that shape the launches, each in full: two shapes never share a key.
using graph_key = std::array<int, 6>;

/// Graph: owned, and false as a bool where there is none.
template <class Graph> class recorded_graphs {
 public:
  static constexpr std::size_t most = 256, reserve = 64;
  static_assert(reserve < most);   // where no more than the reserve are without a graph, another has one
  static constexpr int most_tries = 2, most_failures = 8;

  /// Runs what f enqueues on the executor, once, by launches or as a graph. Of an executor: start_recording, false where nothing is
  /// recorded; finish_recording, which gives a graph of all that was enqueued since, or none, and after which nothing of it runs; run_graph;
  /// and drain, which waits for the graphs that run.
  template <class Executor, class F> void replay(Executor& e, graph_key const& key, F&& f) {
    auto const [found, is_new] = entries_.try_emplace(key);
    entry& here = found->second;
    here.used = ++uses_;
    if (is_new) forget_one(e, here);
    else if (!here.graph && here.failures < most_tries && failures_ < most_failures) record(e, here, f);
    if (here.graph) e.run_graph(here.graph);
    else f();
  }
  std::size_t size() const noexcept { return entries_.size(); }   ///< keys that are remembered

 private:
  struct entry {
    Graph graph{};
    std::uint64_t used = 0;   ///< when last, in calls
    int failures = 0;
  };

  template <class Executor, class F> void record(Executor& e, entry& here, F& f) {
    if (e.start_recording()) {
      try {
        f();
      } catch (...) {
        static_cast<void>(e.finish_recording());
        throw;
      }
      here.graph = e.finish_recording();
    }
    if (here.graph) failures_ = 0;
    else ++here.failures, ++failures_;
  }
  /// Another than the one that was just made.
  template <class Executor> void forget_one(Executor& e, entry const& made) {
    if (entries_.size() <= most) return;
    std::size_t without = 0;
    for (auto const& [key, of] : entries_) without += !of.graph && &of != &made;
    bool const spares_graphs = without > (failures_ < most_failures ? reserve : 0);
    auto const rank = [&](entry const& of) { return std::pair(bool(of.graph) == spares_graphs, of.used); };
    auto least = entries_.end();
    for (auto i = entries_.begin(); i != entries_.end(); ++i)
      if (&i->second != &made && (least == entries_.end() || rank(i->second) < rank(least->second))) least = i;
    if (least->second.graph) e.drain();
    entries_.erase(least);
  }

  std::map<graph_key, entry> entries_;
  std::uint64_t uses_ = 0;
  int failures_ = 0;   // since a recording was made
};

}  // namespace verbatim::cuda
