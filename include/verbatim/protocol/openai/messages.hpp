// Chat messages and tools: checked, and made ready for the template. Text parts are joined into one string (with a newline),
// tool-call arguments become objects for rendering, fields that only trainers read are left out.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/protocol/fields.hpp"
#include "verbatim/protocol/model_card.hpp"

namespace verbatim::openai_v1 {

namespace detail {

inline bool one_of(json const* v, std::initializer_list<std::string_view> values) {
  if (!v || !v->is_string()) return false;
  for (auto s : values)
    if (v->get_ref<std::string const&>() == s) return true;
  return false;
}

/// The text of a message's content: a string, null, or text parts.
inline std::string read_content(json const* content, std::string const& path, problems& p) {
  if (!content) return {};
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) return p.add(path, "expected a string or an array of parts, found " + excerpt(*content)), std::string();
  if (content->size() > 4096) return p.add(path, "more than 4096 parts"), std::string();
  std::string text;
  for (std::size_t i = 0; i < content->size(); ++i) {
    json const& part = (*content)[i];
    std::string const at = path + "." + std::to_string(i);
    if (!part.is_object()) {
      p.add(at, "expected an object, found " + excerpt(part));
      continue;
    }
    fields f(part, at, p);
    json const* type = f.find("type");
    bool const refusal = one_of(type, {"refusal"});
    if (!refusal && !one_of(type, {"text"})) {
      p.add(at + ".type", type ? "only text parts are supported by this server, found " + excerpt(*type) : std::string("missing"), "unsupported_content");
      continue;
    }
    auto const piece = f.text(refusal ? "refusal" : "text", std::size_t(-1));
    if (!piece && !f.find(refusal ? "refusal" : "text")) p.add(at + (refusal ? ".refusal" : ".text"), "missing");
    if (piece) text += (i ? "\n" : "") + *piece;
  }
  return text;
}

inline constexpr std::size_t argument_values = 1'000'000;   ///< JSON values in the arguments of one tool call

/// Tool calls of an assistant message, with arguments as objects where they are JSON text.
inline json read_tool_calls(json const& calls, std::string const& path, problems& p) {
  json out = json::array();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    std::string const at = path + "." + std::to_string(i);
    if (!calls[i].is_object()) {
      p.add(at, "expected an object, found " + excerpt(calls[i]));
      continue;
    }
    fields f(calls[i], at, p);
    f.only("type", [](json const& v) { return v == "function"; }, "only function calls are supported");
    json const* function = f.object("function");
    if (!function) {
      if (!f.find("function")) p.add(at + ".function", "missing");
      continue;
    }
    fields g(*function, at + ".function", p);
    if (!g.text("name", 4096) && !g.find("name")) p.add(at + ".function.name", "missing");
    json call = calls[i];
    json const* arguments = g.find("arguments");
    if (arguments && arguments->is_string()) {
      try {
        auto const& text = arguments->get_ref<std::string const&>();
        json value = text.empty() ? json::object() : parse_json(text, {.values = argument_values});
        call["function"]["arguments"] = value.is_object() ? std::move(value) : json::object();
      } catch (error const& e) {
        if (e.number() != 1) p.add(at + ".function.arguments", e.message());   // too much of it
        else call["function"]["arguments"] = json::object();   // what a model wrote: the template gets an empty object
      }
    } else if (arguments && !arguments->is_object()) {
      p.add(at + ".function.arguments", "expected a string with a JSON object, found " + excerpt(*arguments));
    }
    out.push_back(std::move(call));
  }
  return out;
}

inline json read_message(json const& in, std::string const& path, problems& p) {
  fields f(in, path, p);
  if (in.size() > fields::max_keys) return json::object();   // reported; copying that many fields one by one is quadratic
  json const* role = f.find("role");
  if (!one_of(role, {"developer", "system", "user", "assistant", "tool"}))
    p.add(path + ".role", role ? "expected developer, system, user, assistant or tool, found " + excerpt(*role) : std::string("missing"));
  json const* content = f.find("content");
  json const* calls = f.array("tool_calls", 1024);
  bool const assistant = one_of(role, {"assistant"});
  if (!content && !(assistant && (calls || in.contains("content") || in.contains("refusal") || in.contains("reasoning") || in.contains("reasoning_content"))))
    p.add(path + ".content", "missing");
  json out = json::object();
  for (auto const& [key, value] : in.items()) {   // a template may look at keys of its own family: they stay
    bool const left_out = key == "prompt_token_ids" || key == "generation_token_ids" || key == "generation_log_probs" ||
                          key == "routed_experts" || key == "tool_calls" || key == "content" || value.is_null();
    if (!left_out) out[key] = value;
  }
  out["content"] = read_content(content, path + ".content", p);
  if (calls && !calls->empty()) out["tool_calls"] = read_tool_calls(*calls, path + ".tool_calls", p);
  if (one_of(role, {"tool"}) && !f.text("tool_call_id", 1024) && !f.find("tool_call_id")) p.add(path + ".tool_call_id", "missing");
  if (assistant) {   // two names for one thing: templates read either
    auto const reasoning = f.text("reasoning", std::size_t(-1)), older = f.text("reasoning_content", std::size_t(-1));
    if (reasoning || older) out["reasoning"] = out["reasoning_content"] = reasoning ? *reasoning : *older;
  }
  return out;
}

inline bool is_tool_name(json const* v) {
  if (!v || !v->is_string()) return false;
  auto const& s = v->get_ref<std::string const&>();
  if (s.empty() || s.size() > 64) return false;
  for (char c : s)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
  return true;
}

inline void check_tool(json const& tool, std::string const& path, problems& p) {
  if (!tool.is_object()) return p.add(path, "expected an object, found " + excerpt(tool));
  fields f(tool, path, p);
  json const* type = f.find("type");
  if (!one_of(type, {"function"}))
    return p.add(path + ".type", type ? "only function tools are supported, found " + excerpt(*type) : std::string("missing"), "unsupported_tool");
  json const* function = f.object("function");
  if (!function) return p.add(path + ".function", "missing or not an object");
  fields g(*function, path + ".function", p);
  if (!is_tool_name(g.find("name"))) p.add(path + ".function.name", "expected 1 to 64 letters, digits, _ or -");
  g.text("description", std::size_t(-1));
  g.object("parameters");
  g.boolean("strict");
}

}  // namespace detail

/// Messages for the template; null when the field is missing or wrong (then reported).
inline json read_messages(fields& f, request_bounds const& bounds) {
  json const* list = f.array("messages", std::size_t(bounds.max_messages));
  if (!list) {
    if (!f.find("messages")) f.add("messages", "missing");
    return nullptr;
  }
  if (list->empty()) return f.add("messages", "at least one message is needed"), nullptr;
  json out = json::array();
  for (std::size_t i = 0; i < list->size(); ++i) {
    std::string const path = f.at("messages." + std::to_string(i));
    if ((*list)[i].is_object())
      out.push_back(detail::read_message((*list)[i], path, f.report()));
    else
      f.report().add(path, "expected an object, found " + excerpt((*list)[i]));
  }
  return out;
}

/// Tools as they were given, checked; null when there are none. tool_choice "none" and "auto" are offered: the tools are
/// shown to the model, which answers as it likes; with "none" a call in its answer stays text.
inline json read_tools(fields& f, request_bounds const& bounds) {
  json const* tools = f.array("tools", std::size_t(bounds.max_tools));
  json const* choice = f.find("tool_choice");
  if (tools && tools->empty()) f.add("tools", "must not be empty");
  if (choice && !detail::one_of(choice, {"none", "auto"}))
    f.add("tool_choice", "only 'none' and 'auto' are offered by this server, found " + excerpt(*choice), "unsupported_parameter");
  else if (choice && !tools && !detail::one_of(choice, {"none"}))
    f.add("tool_choice", "only with tools");
  f.refuse({"functions", "function_call"}, "is deprecated and not offered; use tools");
  if (!tools) return nullptr;
  for (std::size_t i = 0; i < tools->size(); ++i) detail::check_tool((*tools)[i], f.at("tools." + std::to_string(i)), f.report());
  return *tools;
}

}  // namespace verbatim::openai_v1
