// A strict option parser for small programs: declare each option once with the variable that receives it; the text of
// --help comes from the declarations. Unknown options, missing values and values out of bounds are usage errors (exit
// code 2). `--name value` and `--name=value` are the same; of an option given twice the last one counts.
//
//   std::string model;
//   int threads = 0;
//   cli::options o("inspect", "Says what a model is and what it needs.");
//   o.text("--model", "DIR", model, "model directory in Hugging Face layout").required();
//   o.number("--threads", "N", threads, 0, 1024, "worker threads; 0: one per core");
//   if (auto exit_code = o.parse(argc, argv)) return *exit_code;
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace cli {

enum exit_code : int { success = 0, failure = 1, usage = 2 };

class options {
 public:
  /// `name`: the subcommand (or program); `about`: one or more sentences for --help.
  options(std::string name, std::string about) : name_(std::move(name)), about_(std::move(about)) {}

  /// Further text at the end of --help, e.g. the format of standard input.
  options& notes(std::string text) { notes_ = std::move(text); return *this; }

  options& flag(std::string option, bool& out, std::string help) {
    return add({std::move(option), "", std::move(help), "", [&out](std::string_view) { out = true; return std::string(); }});
  }
  options& text(std::string option, std::string value, std::string& out, std::string help) {
    std::string shown = out;
    return add({std::move(option), std::move(value), std::move(help), std::move(shown),
                [&out](std::string_view v) { out = v; return std::string(); }});
  }
  /// An option that may be repeated; values gather in order.
  options& texts(std::string option, std::string value, std::vector<std::string>& out, std::string help) {
    return add({std::move(option), std::move(value), std::move(help) + " (repeatable)", "",
                [&out](std::string_view v) { out.emplace_back(v); return std::string(); }});
  }
  /// Any integer or floating type, lowest <= value <= highest.
  template <class T>
  options& number(std::string option, std::string value, T& out, std::type_identity_t<T> lowest,
                  std::type_identity_t<T> highest, std::string help) {
    std::string shown = show(out);
    return add({std::move(option), std::move(value), std::move(help), std::move(shown),
                [&out, lowest, highest](std::string_view v) { return read(v, out, lowest, highest); }});
  }
  /// A number whose absence means something of its own, which `help` says.
  template <class T>
  options& optional_number(std::string option, std::string value, std::optional<T>& out, std::type_identity_t<T> lowest,
                           std::type_identity_t<T> highest, std::string help) {
    return add({std::move(option), std::move(value), std::move(help), "",
                [&out, lowest, highest](std::string_view v) { return read(v, out.emplace(), lowest, highest); }});
  }
  /// Comma-separated numbers: `--batch 1,8,32`.
  template <class T>
  options& numbers(std::string option, std::string value, std::vector<T>& out, std::type_identity_t<T> lowest,
                   std::type_identity_t<T> highest, std::string help) {
    std::string shown;
    for (T x : out) shown += (shown.empty() ? "" : ",") + show(x);
    return add({std::move(option), std::move(value), std::move(help), std::move(shown),
                [&out, lowest, highest](std::string_view v) { return read_list(v, out, lowest, highest); }});
  }
  options& choice(std::string option, std::vector<std::string> values, std::string& out, std::string help) {
    std::string list;
    for (auto const& v : values) list += (list.empty() ? "" : "|") + v;
    std::string shown = out;
    return add({std::move(option), list, std::move(help), std::move(shown), [&out, values, list](std::string_view v) {
                  for (auto const& allowed : values)
                    if (v == allowed) { out = allowed; return std::string(); }
                  return "expected one of " + list;
                }});
  }
  /// An argument without a dash, in order of declaration.
  options& positional(std::string value, std::string& out, std::string help) {
    positionals_.push_back({"", std::move(value), std::move(help), out, [&out](std::string_view v) { out = v; return std::string(); }});
    last_ = &positionals_;
    return *this;
  }
  /// The option or argument declared last must be given.
  options& required() { last_->back().required = true; return *this; }

  /// Nothing: go on. A number: leave with this exit code (0 after --help, 2 after a usage error, said on standard error).
  std::optional<int> parse(int argc, char** argv);
  /// For rules between options: prints `message` like any usage error and gives exit code 2.
  int usage_error(std::string const& message) const {
    std::fprintf(stderr, "verbatim %s: %s\nTry 'verbatim %s --help'.\n", name_.c_str(), message.c_str(), name_.c_str());
    return usage;
  }
  std::string help() const;

 private:
  struct declaration {
    std::string option, value, help, initial;
    std::function<std::string(std::string_view)> set;  ///< gives what is wrong, or nothing
    bool required = false, given = false;
  };
  options& add(declaration d) {
    declared_.push_back(std::move(d));
    last_ = &declared_;
    return *this;
  }
  declaration* find(std::string_view option) {
    for (auto& d : declared_)
      if (d.option == option) return &d;
    return nullptr;
  }
  template <class T> static std::string show(T value) {
    std::ostringstream out;
    out << +value;
    return out.str();
  }
  template <class T> static std::string read(std::string_view v, T& out, T lowest, T highest) {
    T value{};
    auto [end, error] = std::from_chars(v.data(), v.data() + v.size(), value);
    if (error != std::errc{} || end != v.data() + v.size()) return std::is_integral_v<T> ? "expected an integer" : "expected a number";
    if (!(value >= lowest && value <= highest)) return "expected a value from " + show(lowest) + " to " + show(highest);
    out = value;
    return {};
  }
  template <class T> static std::string read_list(std::string_view v, std::vector<T>& out, T lowest, T highest) {
    std::vector<T> values;
    for (std::size_t at = 0; at <= v.size();) {
      std::size_t const comma = std::min(v.find(',', at), v.size());
      T value{};
      if (auto wrong = read(v.substr(at, comma - at), value, lowest, highest); !wrong.empty()) return wrong + " in a list";
      values.push_back(value);
      at = comma + 1;
    }
    out = std::move(values);
    return {};
  }
  static std::string rows(std::vector<declaration> const& list);
  static std::string row(std::string left, std::string const& right);
  static std::string wrapped(std::string const& text, std::size_t indent = 0);
  static constexpr std::size_t columns = 96, help_column = 28;   ///< of --help

  std::string name_, about_, notes_;
  std::vector<declaration> declared_, positionals_;
  std::vector<declaration>* last_ = &declared_;
};

inline std::optional<int> options::parse(int argc, char** argv) {
  std::size_t next_positional = 0;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(help().c_str(), stdout);
      return success;
    }
    declaration* d = nullptr;
    std::string_view value = argument;
    if (argument.size() > 1 && argument[0] == '-') {
      auto const equals = argument.find('=');
      std::string_view const option = argument.substr(0, equals);
      d = find(option);
      if (!d) return usage_error("unknown option '" + std::string(option) + "'");
      bool const inlined = equals != argument.npos;
      if (d->value.empty() && inlined) return usage_error(d->option + " takes no value");
      if (inlined) value = argument.substr(equals + 1);
      else if (!d->value.empty() && i + 1 >= argc) return usage_error(d->option + " needs a value (" + d->value + ")");
      else if (!d->value.empty()) value = argv[++i];
    } else {
      if (next_positional == positionals_.size())
        return usage_error("unexpected argument '" + std::string(argument) + "'" + (find("--model") ? " (a model is given with --model DIR)" : ""));
      d = &positionals_[next_positional++];
    }
    std::string const& shown = d->option.empty() ? d->value : d->option;
    if (auto wrong = d->set(value); !wrong.empty()) return usage_error(shown + " '" + std::string(value) + "': " + wrong);
    d->given = true;
  }
  for (auto const* list : {&positionals_, &declared_})
    for (auto const& d : *list)
      if (d.required && !d.given) return usage_error((d.option.empty() ? d.value : d.option + " " + d.value) + " is required");
  return std::nullopt;
}

inline std::string options::rows(std::vector<declaration> const& list) {
  std::string out;
  for (auto const& d : list) {
    std::string right = d.help;
    if (d.required) right += " (required)";
    else if (!d.initial.empty()) right += " [" + d.initial + "]";
    out += row("  " + d.option + (d.option.empty() || d.value.empty() ? "" : " ") + d.value, right);
  }
  return out;
}

/// What is too wide for the left column has a line of its own.
inline std::string options::row(std::string left, std::string const& right) {
  if (left.size() + 2 > help_column) left += "\n" + std::string(help_column, ' ');
  else left.resize(help_column, ' ');
  return left + wrapped(right, help_column) + "\n";
}

/// Breaks lines at spaces; all but the first begin with `indent` spaces. Lines of `text` stay lines.
inline std::string options::wrapped(std::string const& text, std::size_t indent) {
  std::string out;
  std::size_t width = indent;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const end = std::min(text.find_first_of(" \n", at), text.size());
    bool const begins = out.empty() || out.back() == '\n' || width == indent;
    if (!begins && width + 1 + end - at > columns) out += "\n" + std::string(indent, ' '), width = indent;
    else if (!begins) out += ' ', ++width;
    out.append(text, at, end - at), width += end - at;
    if (end < text.size() && text[end] == '\n') out += "\n" + std::string(indent, ' '), width = indent;
    at = end + 1;
  }
  return out;
}

inline std::string options::help() const {
  std::string out = "Usage: verbatim " + name_;
  for (auto const& d : declared_)
    if (d.required) out += " " + d.option + " " + d.value;
  for (auto const& d : positionals_) out += d.required ? " " + d.value : " [" + d.value + "]";
  out += " [options]\n\n" + wrapped(about_) + "\n";
  if (!positionals_.empty()) out += "\nArguments:\n" + rows(positionals_);
  out += "\nOptions:\n" + rows(declared_) + row("  --help", "this text");
  if (!notes_.empty()) out += "\n" + wrapped(notes_) + "\n";
  return out;
}

}  // namespace cli
