// The normalizer of tokenizer.json: a flat list of steps over one text. Steps: NFC NFD NFKC NFKD Lowercase Strip
// StripAccents Prepend Replace Sequence. Precompiled, Nmt, BertNormalizer and ByteLevel belong to other model families and
// are refused by name. Linear time but for marks to be sorted. Immutable, thread-safe.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/component.hpp"
#include "verbatim/text/normal_form.hpp"
#include "verbatim/text/pattern.hpp"

namespace verbatim::detail {

class normalizer {
 public:
  normalizer() = default;
  explicit normalizer(component const& c) { add(c); }

  bool empty() const noexcept { return steps_.empty(); }

  /// `text` (valid UTF-8) in its normal form; `storage` holds it where it differs.
  std::string_view apply(std::string_view text, std::string& storage) const {
    auto const& u = unicode::get();
    for (auto const& s : steps_) {
      if (s.kind == kind::nfc && nfc_prefix(text, u) == text.size()) continue;
      if (text.data() != storage.data()) storage.assign(text);
      run(s, storage, u);
      text = storage;
    }
    return text;
  }

 private:
  enum class kind { nfc, nfd, nfkc, nfkd, lowercase, strip, strip_accents, prepend, replace };
  struct step {
    detail::normalizer::kind kind;
    std::string content;           // prepend, replace
    std::vector<pattern> what{};   // replace: one
    bool left = false, right = false;
  };

  void add(component const& c) {
    if (steps_.size() > 256) c.fail("at most 256 normalizers expected");
    std::string const type = c.type();
    if (type == "Sequence") return c.at("normalizers").each([this](component const& inner) { add(inner); });
    constexpr std::pair<char const*, kind> plain[] = {{"NFC", kind::nfc}, {"NFD", kind::nfd}, {"NFKC", kind::nfkc}, {"NFKD", kind::nfkd},
                                                      {"Lowercase", kind::lowercase}, {"StripAccents", kind::strip_accents}};
    for (auto const& [name, k] : plain)
      if (type == name) return void(steps_.push_back({k, {}}));
    if (type == "Strip") {
      steps_.push_back({kind::strip, {}, {}, c.flag("strip_left", true), c.flag("strip_right", true)});
    } else if (type == "Prepend") {
      steps_.push_back({kind::prepend, c.text("prepend")});
    } else if (type == "Replace") {
      step s{kind::replace, c.text("content")};
      s.what.emplace_back(c.at("pattern"));
      growth_ *= s.what.front().growth(s.content.size());
      if (growth_ > pattern::most_growth) c.unsupported("replacements that make a text thousands of times as long");
      steps_.push_back(std::move(s));
    } else {
      c.unsupported("normalizer \"" + type.substr(0, 40) + "\" is not supported");
    }
  }

  static void run(step const& s, std::string& text, unicode const& u) {
    switch (s.kind) {
      case kind::nfc: return normalize(text, normal_form::nfc, u);
      case kind::nfd: return normalize(text, normal_form::nfd, u);
      case kind::nfkc: return normalize(text, normal_form::nfkc, u);
      case kind::nfkd: return normalize(text, normal_form::nfkd, u);
      case kind::lowercase: return void(text = lowered(text, u));
      case kind::strip_accents: return void(text = without_marks(text, u));
      case kind::strip: return strip(s, text, u);
      case kind::prepend:
        if (!text.empty()) text.insert(0, s.content);
        return;
      case kind::replace: return void(text = s.what.front().replaced(text, s.content));
    }
  }
  static std::string lowered(std::string_view text, unicode const& u) {
    std::string out;
    for (char const *p = text.data(), *end = p + text.size(); p < end;) {
      char32_t const c = utf8_next(p);
      if (!u.has(c, lowers)) {
        utf8_append(out, c);
        continue;
      }
      auto const [to, n] = u.lower(c);
      for (std::size_t i = 0; i < n; ++i) utf8_append(out, to[i]);
    }
    return out;
  }
  static std::string without_marks(std::string_view text, unicode const& u) {
    std::string out;
    for (char const *p = text.data(), *end = p + text.size(); p < end;)
      if (char32_t const c = utf8_next(p); !u.has(c, combining_mark)) utf8_append(out, c);
    return out;
  }
  static void strip(step const& s, std::string& text, unicode const& u) {
    char const *begin = text.data(), *end = begin + text.size();
    while (s.left && begin < end) {
      char const* next = begin;
      if (!u.white_space(utf8_next(next))) break;
      begin = next;
    }
    while (s.right && begin < end) {
      char const *last = utf8_before(end), *read = last;
      if (!u.white_space(utf8_next(read))) break;
      end = last;
    }
    text = std::string(begin, end);
  }

  std::vector<step> steps_;
  double growth_ = 1;
};

}  // namespace verbatim::detail
