// verbatim render: a chat template over contexts, as JSON lines.
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "commands.hpp"
#include "json_lines.hpp"
#include "options.hpp"
#include "verbatim/text/jinja/template.hpp"

namespace {

/// `YYYY-MM-DD` with an optional `THH:MM:SS`.
bool read_time(std::string const& text, std::tm& out) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, used = 0;
  bool date = std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &y, &mo, &d, &used) == 3;
  bool whole = date && std::size_t(used) == text.size();
  if (date && !whole)
    whole = std::sscanf(text.c_str() + used, "T%2d:%2d:%2d", &h, &mi, &s) == 3 || std::sscanf(text.c_str() + used, " %2d:%2d:%2d", &h, &mi, &s) == 3;
  if (!whole || y < 1970 || mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60) return false;
  out = {};
  out.tm_year = y - 1900, out.tm_mon = mo - 1, out.tm_mday = d, out.tm_hour = h, out.tm_min = mi, out.tm_sec = s;
  timegm(&out);                                    // fills in the day of the week and of the year
  return true;
}

}  // namespace

int run_render(int argc, char** argv) {
  std::string path, now, bos, eos, pad, unk;
  cli::options o("render", "Renders contexts with a chat template.");
  o.text("--template", "FILE", path, "the template").required();
  o.text("--bos", "S", bos, "bos_token, where a context has none");
  o.text("--eos", "S", eos, "eos_token");
  o.text("--pad", "S", pad, "pad_token");
  o.text("--unk", "S", unk, "unk_token");
  o.text("--now", "TIME", now, "what strftime_now shows, as 2025-07-10T12:00:00; the local time where absent");
  o.notes("Reads {\"name\": .., \"context\": {..}} a line on standard input, writes {\"name\": .., \"text\": ..} or {\"name\": .., \"error\": ..} a line.");
  if (auto code = o.parse(argc, argv)) return *code;
  std::tm time = verbatim::jinja::local_now();
  if (!now.empty() && !read_time(now, time)) return o.usage_error("--now: expected YYYY-MM-DDTHH:MM:SS");
  std::ifstream in(path, std::ios::binary);
  if (!in || in.peek() == std::ifstream::traits_type::eof()) throw verbatim::error("usage", 1, path + ": a file with a template expected, and nothing can be read there");
  verbatim::jinja::source_template const chat(std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()});
  cli::each_json_line([&](verbatim::json& record, std::size_t number) {
    verbatim::json out = verbatim::json::object();
    if (!record.is_object() || !record.contains("context") || !record["context"].is_object())
      cli::refuse_line(number, "an object with an object \"context\" expected");
    verbatim::json& context = record["context"];
    for (auto const& [name, token] : {std::pair{"bos_token", &bos}, {"eos_token", &eos}, {"pad_token", &pad}, {"unk_token", &unk}})
      if (!token->empty() && !context.contains(name)) context[name] = *token;
    if (record.contains("name")) out["name"] = record["name"];
    try {
      out["text"] = chat.render(context, time).text;
    } catch (verbatim::error const& e) {
      out["error"] = e.what();
    }
    std::cout << verbatim::dump_json(out) << '\n';
  });
  return std::cout.flush() ? cli::success : cli::failure;
}
