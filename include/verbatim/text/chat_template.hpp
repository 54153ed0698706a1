// The chat template of a model: messages and tools to the prompt's text, as transformers' apply_chat_template does it.
// Found in chat_template.jinja (and named ones in additional_chat_templates/ or chat_templates/), else chat_template.json,
// else tokenizer_config.json; parsed once, rendered any number of times from any thread. A named template is chosen by
// render_options::name, else "tool_use" where there are tools, else "default".
// Throws error("template", n): those of jinja/template.hpp, 6 no template, 7 nothing to continue, 8 wrong arguments.
#pragma once
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/text/jinja/template.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim {

struct render_options {
  bool add_generation_prompt = false;
  bool continue_final_message = false;             ///< ends the prompt inside the last message, to be continued
  std::optional<std::tm> now{};                    ///< for strftime_now; the local time where absent
  std::string name{};                              ///< of a named template; empty: chosen as said above
  jinja::limits limits{};
};

class chat_template {
 public:
  /// One template and the special tokens ("bos_token": "<s>", …) that it sees as variables.
  explicit chat_template(std::string source, json tokens = json::object());

  /// The templates of a model directory. Throws error("template", 6) where there is none, 1 where one does not parse.
  static chat_template load(std::filesystem::path const& directory);
  /// The same, but nothing where the directory brings no template at all.
  static std::optional<chat_template> find(std::filesystem::path const& directory);

  /// The prompt. `tools` is null or an array, `extra` an object of further variables ("enable_thinking", "documents", …).
  std::string render(json const& messages, json const& tools = nullptr, json const& extra = json::object(), render_options const& o = {}) const {
    return render_spans(messages, tools, extra, o).text;
  }
  /// Also the bytes that {% generation %} blocks wrote: what an assistant said.
  jinja::rendering render_spans(json const& messages, json const& tools, json const& extra, render_options const& o) const;

  json const& special_tokens() const { return tokens_; }
  /// The source of the template that would be chosen.
  std::string const& source(bool with_tools = false, std::string const& name = "") const { return choose(with_tools, name).source; }
  /// Whether any of the templates says `words`.
  bool mentions(std::string_view words) const;

 private:
  struct entry {
    std::string source;
    jinja::source_template parsed;
  };
  chat_template() = default;
  void add(std::string const& name, std::string source);
  entry const& choose(bool with_tools, std::string const& name) const;
  void add_directory(std::filesystem::path const& directory);
  void add_json(json const& found);
  void add_tokens(json const& config);

  static std::string read(std::filesystem::path const& p);
  static json with_reasoning(json const& messages);
  static std::string mark_final(json& message, std::string const& source);
  static void cut(jinja::rendering& r, std::string const& final_text);

  static constexpr std::string_view mark = "CONTINUE_FINAL_MESSAGE_TAG ";
  std::map<std::string, entry> entries_;
  json tokens_ = json::object();
};

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/text/chat_template.ipp.hpp"
#endif
