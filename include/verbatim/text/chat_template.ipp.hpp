// The bodies of chat_template.hpp (core/separate.hpp says who includes this).
#pragma once
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/text/chat_template.hpp"
#include "verbatim/text/jinja/unicode.hpp"

namespace verbatim {

VERBATIM_BODY chat_template::chat_template(std::string source, json tokens) : tokens_(std::move(tokens)) { add("default", std::move(source)); }

VERBATIM_BODY void chat_template::add(std::string const& name, std::string source) {
  if (source.size() > 4u << 20) throw error("template", 6, "template \"" + name + "\" is longer than 4 MiB");
  jinja::source_template parsed(source);
  entries_.insert_or_assign(name, entry{std::move(source), std::move(parsed)});
}

VERBATIM_BODY bool chat_template::mentions(std::string_view words) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](auto const& e) { return e.second.source.find(words) != std::string::npos; });
}

VERBATIM_BODY std::string chat_template::read(std::filesystem::path const& p) {
  std::error_code ignored;
  auto size = std::filesystem::file_size(p, ignored);
  std::ifstream in(p, std::ios::binary);
  if (!in || ignored) throw error("template", 6, p.string() + ": cannot be read");
  if (size > 256u << 20) throw error("template", 6, p.string() + ": longer than 256 MiB");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

VERBATIM_BODY void chat_template::add_directory(std::filesystem::path const& directory) {
  if (!std::filesystem::is_directory(directory)) return;
  for (auto const& file : std::filesystem::directory_iterator(directory))
    if (file.path().extension() == ".jinja") add(file.path().stem().string(), read(file.path()));
}

/// "chat_template" of a JSON file: a string, or a list of {name, template}.
VERBATIM_BODY void chat_template::add_json(json const& found) {
  if (found.is_string()) return add("default", found.get<std::string>());
  if (!found.is_array()) throw error("template", 6, "\"chat_template\" is neither a string nor a list of named templates");
  for (auto const& each : found) {
    if (!each.is_object() || !each.contains("name") || !each["name"].is_string() || !each.contains("template") || !each["template"].is_string())
      throw error("template", 6, "\"chat_template\" holds something other than {name, template}");
    add(each["name"].get<std::string>(), each["template"].get<std::string>());
  }
}

/// Keeps the special tokens of a configuration: strings, or objects with "content".
VERBATIM_BODY void chat_template::add_tokens(json const& config) {
  auto text = [](json const& v) -> std::optional<std::string> {
    if (v.is_string()) return v.get<std::string>();
    if (v.is_object() && v.contains("content") && v["content"].is_string()) return v["content"].get<std::string>();
    return {};
  };
  for (auto const* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    if (auto at = config.find(name); at != config.end() && !tokens_.contains(name))
      if (auto t = text(*at)) tokens_[name] = *t;
  auto more = config.find("additional_special_tokens");
  if (more == config.end() || !more->is_array() || more->empty() || tokens_.contains("additional_special_tokens")) return;
  json all = json::array();
  for (auto const& each : *more)
    if (auto t = text(each)) all.push_back(*t);
  tokens_["additional_special_tokens"] = std::move(all);
}

VERBATIM_BODY std::optional<chat_template> chat_template::find(std::filesystem::path const& directory) {
  namespace fs = std::filesystem;
  chat_template out;
  json config = json::object();
  for (auto const* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!fs::exists(directory / name)) continue;
    json read_now = parse_json(read(directory / name));
    if (!read_now.is_object()) throw error("template", 6, (directory / name).string() + ": not a JSON object");
    out.add_tokens(read_now);
    if (config.empty()) config = std::move(read_now);
  }
  if (fs::exists(directory / "chat_template.jinja")) {
    out.add("default", read(directory / "chat_template.jinja"));
  } else if (fs::exists(directory / "chat_template.json")) {
    json found = parse_json(read(directory / "chat_template.json"));
    if (!found.is_object() || !found.contains("chat_template")) throw error("template", 6, "chat_template.json holds no \"chat_template\"");
    out.add_json(found["chat_template"]);
  } else if (config.contains("chat_template") && !config["chat_template"].is_null()) {
    out.add_json(config["chat_template"]);
  }
  out.add_directory(directory / "additional_chat_templates");
  out.add_directory(directory / "chat_templates");
  if (out.entries_.empty()) return std::nullopt;
  return out;
}

VERBATIM_BODY chat_template chat_template::load(std::filesystem::path const& directory) {
  if (auto found = find(directory)) return *std::move(found);
  throw error("template", 6, directory.string() + ": no chat template");
}

VERBATIM_BODY chat_template::entry const& chat_template::choose(bool with_tools, std::string const& name) const {
  if (!name.empty()) {
    if (auto at = entries_.find(name); at != entries_.end()) return at->second;
    throw error("template", 6, "no chat template is named \"" + name.substr(0, 100) + "\"");
  }
  if (auto at = entries_.find("tool_use"); with_tools && at != entries_.end()) return at->second;
  if (auto at = entries_.find("default"); at != entries_.end()) return at->second;
  throw error("template", 6, "there are several chat templates and none is named \"default\": name one");
}

namespace detail {

inline constexpr char const* reasoning_fields[] = {"reasoning_content", "thinking", "reasoning"};

}  // namespace detail

/// Reasoning goes by three names; transformers fills in the two that templates read.
VERBATIM_BODY json chat_template::with_reasoning(json const& messages) {
  json out = json::array();
  for (auto const& message : messages) {
    json const* reasoning = nullptr;
    for (auto const* name : detail::reasoning_fields)
      if (auto at = message.find(name); !reasoning && at != message.end() && !at->is_null()) reasoning = &*at;
    if (!reasoning) {
      out.push_back(message);
      continue;
    }
    json filled = json::object();
    filled["thinking"] = *reasoning;
    for (auto const& [k, v] : message.items()) filled[k] = v;
    filled["reasoning_content"] = *reasoning;
    out.push_back(std::move(filled));
  }
  return out;
}

/// Appends the mark to the text of the message that is to be continued; gives the text without it.
VERBATIM_BODY std::string chat_template::mark_final(json& message, std::string const& source) {
  auto content = message.find("content");
  if (content == message.end() || content->is_null()) throw error("template", 7, "the final message has no content to continue");
  if (source.find("content") == source.npos) throw error("template", 7, "the template does not use a message's content");
  json* text = &*content;
  if (content->is_array()) {
    text = nullptr;
    for (auto at = content->rbegin(); at != content->rend() && !text; ++at)
      if (at->is_object() && at->contains("text")) text = &(*at)["text"];
  }
  if (!text || !text->is_string()) throw error("template", 7, "the final message has no text to continue");
  std::string plain = text->get<std::string>();
  *text = plain + std::string(mark);
  return plain;
}

/// Cuts the prompt where the mark stands.
VERBATIM_BODY void chat_template::cut(jinja::rendering& r, std::string const& final_text) {
  std::string_view bare = mark.substr(0, mark.size() - 1);
  std::size_t at = r.text.rfind(bare);
  std::string_view const said = jinja::strip(final_text);
  // memmem is linear; std::string::find is quadratic on the texts of a hostile conversation.
  if (at == r.text.npos || !::memmem(r.text.data(), r.text.size(), said.data(), said.size()))
    throw error("template", 7, "the final message does not appear in the rendered chat: the template deletes parts of it");
  bool spaces_kept = r.text.compare(at, mark.size(), mark) == 0;
  r.text.resize(at);
  if (!spaces_kept) r.text.resize(jinja::strip_right(r.text).size());
  for (auto& s : r.generated) s.begin = std::min(s.begin, r.text.size()), s.end = std::min(s.end, r.text.size());
}

VERBATIM_BODY jinja::rendering chat_template::render_spans(json const& messages, json const& tools, json const& extra, render_options const& o) const {
  if (!messages.is_array()) throw error("template", 8, "messages must be an array");
  for (auto const& m : messages)
    if (!m.is_object()) throw error("template", 8, "a message must be an object");
  if (!tools.is_null() && !tools.is_array()) throw error("template", 8, "tools must be an array or null");
  if (!extra.is_null() && !extra.is_object()) throw error("template", 8, "template arguments must be an object");
  for (auto const* taken : {"messages", "tools", "add_generation_prompt"})
    if (extra.is_object() && extra.contains(taken)) throw error("template", 8, std::string("template arguments must not hold \"") + taken + "\"");
  if (o.add_generation_prompt && o.continue_final_message)
    throw error("template", 8, "a prompt cannot both begin a new message and continue the last");
  if (o.continue_final_message && messages.empty()) throw error("template", 7, "there is no message to continue");
  entry const& chosen = choose(!tools.is_null(), o.name);
  json chat = with_reasoning(messages);
  std::string final_text;
  if (o.continue_final_message) final_text = mark_final(chat.back(), chosen.source);
  json const add(o.add_generation_prompt), none(nullptr);
  auto lookup = [&](std::string const& name) -> json const* {
    if (name == "messages") return &chat;
    if (name == "tools") return &tools;
    if (name == "add_generation_prompt") return &add;
    if (extra.is_object())
      if (auto at = extra.find(name); at != extra.end()) return &*at;
    if (name == "documents") return &none;
    auto at = tokens_.find(name);
    return at == tokens_.end() ? nullptr : &*at;
  };
  auto out = chosen.parsed.render_with(lookup, o.now ? *o.now : jinja::local_now(), o.limits);
  if (o.continue_final_message) cut(out, final_text);
  return out;
}

}  // namespace verbatim
