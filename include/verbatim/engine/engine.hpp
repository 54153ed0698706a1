// engine<Pipeline>: one model, one loop. A facade: this header declares it, engine.ipp.hpp defines it, and one
// translation unit of the program instantiates it (verbatim_instantiate in the CMake package), so that what includes
// this never compiles kernels. One indirection per call, none per token.
// Threads: submit and ticket::cancel from anywhere; poll (and score) from one thread at a time, the one that drives.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/core/kv_format.hpp"
#include "verbatim/engine/contract.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/engine/pipeline.hpp"
#include "verbatim/engine/request.hpp"
#include "verbatim/model/config.hpp"
#include "verbatim/text/chat_template.hpp"
#include "verbatim/weights/concept.hpp"
#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/staged.hpp"

namespace verbatim {

/// Values of an engine; types are in the pipeline.
struct engine_config {
  std::filesystem::path checkpoint{};      ///< model directory in Hugging Face layout
  bool random_weights = false;             ///< only config.json is read (file or directory); weights are seeded noise
  int threads = 0;                         ///< 0: all cores
  int max_batch = 64;                      ///< sequences in a step
  int step_tokens = 512;                   ///< rows of a step: decode first, the rest for chunks of prompts
  int chunk_tokens = 0;                    ///< rows of prompts in a step in which sequences decode, which wait for it; 0: the device's choice
  int context = 0;                         ///< tokens of a sequence; 0: what the model was made for
  /// Memory for the KV cache; 0: what max_batch full contexts need, at most a quarter of RAM, or four fifths of what weights and steps leave of
  /// a GPU's free memory.
  std::size_t kv_bytes = 0;
  weight_format weights = weight_format::checkpoint;   ///< how matrices are kept; quantised as they are loaded
  kv_format kv = kv_format::activations;   ///< how keys and values are kept
  bool pin_threads = false;                ///< each thread that computes, the one that drives included, keeps to a processor of its own
  int max_logprobs = 20;                   ///< alternatives per token that a request may ask for
  std::size_t queue = 4096;                ///< unfinished requests at most
};

/// What a loaded engine holds of the machine.
struct engine_resources {
  std::size_t weight_bytes, kv_bytes;
  int kv_pages, page_tokens;
  int threads;
  storage_formats formats;
};

template <class P> class engine {
  static_assert(check<P>());

 public:
  using pipeline_type = P;
  using config_type = engine_config;

  /// Loads the checkpoint. Throws error("checkpoint" | "config" | "tokenizer" | "template" | "engine", …).
  explicit engine(engine_config);
  ~engine();
  engine(engine&&) noexcept;
  engine& operator=(engine&&) noexcept;

  /// What the numbers of this engine promise, as one number to compare with a trainer's (see contract_of).
  /// With quantised weights the bits are those of an engine whose checkpoint held the quantised values.
  static constexpr std::uint64_t contract(storage_formats f = {}) { return contract_of<P>(f); }
  static std::string contract_text(storage_formats f = {}) { return to_string(terms_of<P>(f)); }

  /// The queue that fronts submit to.
  inbox& jobs();
  ticket submit(request r, event_sink sink) { return jobs().submit(std::move(r), std::move(sink)); }
  static void cancel(ticket const& t) noexcept { t.cancel(); }
  /// Runs one step. False: there is nothing to do until something is submitted.
  bool poll();
  engine_stats stats() const;

  /// Log-probability of each id after the first, given those before it (temperature 1). One pass. Drives the engine.
  std::vector<float> score(std::span<token const> ids);

  /// Replaces all weights, between two steps and with requests in flight: every tensor of the model, by its Hugging Face
  /// name, once. All are checked before any is touched. Packs straight from the source where that lies in memory (borrowed,
  /// staged), else from a copy. A source's version() other than 0 names the new weights where the options do not.
  /// Drives the engine. Throws error("checkpoint", 50..54), and nothing has changed.
  template <weight_source Source> void refit(Source&& source, refit_options options = {}) {
    if (options.version.empty() && source.version() != 0) options.version = std::to_string(source.version());
    refit(std::make_shared<weights::staged const>(weights::all_of(source)), std::move(options));
  }
  void refit(std::shared_ptr<weights::staged const> source, refit_options options = {});
  /// Carries out any order and gives its outcome. Drives the engine; from another thread, use jobs().command_engine.
  outcome carry_out(order what);
  /// The label of the weights that run now.
  std::string weight_version() const;

  bool has_text() const noexcept;
  /// Throws error("engine", 8) when the checkpoint has no tokenizer (random weights).
  typename P::text const& text() const;
  chat_template const* chat() const noexcept;   ///< null: the model brings none
  model_config const& config() const noexcept;
  generation_defaults const& defaults() const noexcept;
  std::vector<token> const& turn_ends() const noexcept;   ///< what ends a turn: the model's and the tokenizer's ends of sequence
  std::string const& name() const noexcept;     ///< of the model directory, or of a file of shapes alone
  int context() const noexcept;                 ///< tokens that a sequence may have here
  int max_logprobs() const noexcept;            ///< alternatives per token that a request may ask for
  engine_resources resources() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> self_;
};

}  // namespace verbatim
