// Errors of construction, configuration and requests: numbered, each with an entry in docs/errors.md.
// The step loop never throws; a request that fails alone carries its reason in its last event.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>

namespace verbatim {

/// An error with a stable name: `[verbatim.checkpoint.3] lm_head.weight: shape [8, 4] expected, [4, 4] found`.
/// Areas: pipeline, json, checkpoint, config, tokenizer, template, request, engine, device, transport, usage.
class error : public std::runtime_error {
 public:
  error(std::string_view area, int number, std::string_view message)
      : std::runtime_error("[verbatim." + std::string(area) + "." + std::to_string(number) + "] " +
                           std::string(message)),
        area_(area), number_(number), prefix_(std::char_traits<char>::length(what()) - message.size()) {}

  std::string const& area() const noexcept { return area_; }
  int number() const noexcept { return number_; }
  /// The message without its `[verbatim.area.number] ` prefix.
  std::string_view message() const noexcept { return std::string_view(what()).substr(prefix_); }

 private:
  std::string area_;
  int number_;
  std::size_t prefix_;
};

}  // namespace verbatim
