// Which tokenizer: the one of a model, or a file. The subcommands that need nothing else of a model share it.
#pragma once
#include <optional>
#include <string>

#include "options.hpp"

namespace cli {

struct tokenizer_option {
  std::string file, model;

  void declare(options& o) {
    o.text("--model", "DIR", model, "model directory in Hugging Face layout, of which tokenizer.json is read (this or --tokenizer is required)");
    o.text("--tokenizer", "PATH", file, "tokenizer.json or the directory that holds it (this or --model is required)");
  }
  /// After parsing; an exit code where not one of the two was given.
  std::optional<int> refused(options const& o) const {
    if (file.empty() != model.empty()) return std::nullopt;
    return o.usage_error("exactly one of --model DIR and --tokenizer PATH is needed");
  }
  std::string const& path() const noexcept { return file.empty() ? model : file; }
};

}  // namespace cli
