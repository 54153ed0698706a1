// Log-probabilities in OpenAI's three shapes: chat entries, the legacy completion arrays, vLLM's prompt_logprobs.
// Every number is written so that it reads back as the engine's float, bit for bit; -infinity is -9999.0.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/protocol/mailbox.hpp"
#include "verbatim/protocol/wire.hpp"

namespace verbatim::openai_v1 {

namespace detail {

template <class Text> std::string bytes_of(Text const& text, token id) { return std::string(text.token_bytes(id)); }

inline std::string id_name(token id) { return "token_id:" + std::to_string(id); }

/// A token as a string. Part of a code point alone is no string: the legacy shape then says `bytes:\xNN`.
template <class Text> std::string legacy_name(Text const& text, token id, bool as_id) {
  if (as_id) return id_name(id);
  std::string bytes = bytes_of(text, id);
  if (wire::is_utf8(bytes)) return bytes;
  constexpr char hex[] = "0123456789abcdef";
  std::string out = "bytes:";
  for (char c : bytes) out += {'\\', 'x', hex[static_cast<unsigned char>(c) >> 4], hex[c & 15]};
  return out;
}

/// `"token":…,"logprob":…,"bytes":[…]`
template <class Text> void put_chat_token(std::string& out, Text const& text, token id, float logprob, bool as_id) {
  std::string const bytes = bytes_of(text, id);
  out += "\"token\":";
  wire::put_string(out, as_id ? id_name(id) : bytes);
  out += ",\"logprob\":";
  wire::put_real(out, logprob);
  out += ",\"bytes\":";
  wire::put_list(out, bytes, [&](char c) { wire::put_integer(out, static_cast<unsigned char>(c)); });
}

}  // namespace detail

/// One entry of `logprobs.content`. `raw`: the log-probability under the model's own distribution, beside the processed one.
template <class Text>
void put_chat_logprob(std::string& out, Text const& text, sampled const& s, std::span<score const> top, bool as_ids, float const* raw = nullptr) {
  out += '{';
  detail::put_chat_token(out, text, s.id, s.logprob, as_ids);
  if (raw) out += ",\"raw_logprob\":", wire::put_real(out, *raw);
  out += ",\"top_logprobs\":";
  wire::put_list(out, top, [&](score const& t) {
    out += '{';
    detail::put_chat_token(out, text, t.id, t.value, as_ids);
    out += '}';
  });
  out += '}';
}

/// The four parallel arrays of a completion's `logprobs`, and where in the text we are (in code points).
class legacy_logprobs {
 public:
  bool empty() const noexcept { return count_ == 0; }

  /// `null_value`: the first token of a sequence has no log-probability. `shown`: what of the token is in the text. `raw`: a
  /// fifth array; given for all tokens or for none.
  template <class Text>
  void add(Text const& text, sampled const& s, std::span<score const> top, std::string_view shown, bool as_ids, bool null_value, float const* raw = nullptr) {
    if (count_++) tokens_ += ',', values_ += ',', tops_ += ',', offsets_ += ',';
    if (raw) raw_ += raw_.empty() ? "" : ",";
    std::string const name = detail::legacy_name(text, s.id, as_ids);
    wire::put_string(tokens_, name);
    bool const inside = !shown.empty() && is_tail(shown.front()) && position_ > 0;   // goes on with a code point begun before
    wire::put_integer(offsets_, position_ - (inside ? 1 : 0));
    position_ += std::count_if(shown.begin(), shown.end(), [](char c) { return !is_tail(c); });
    if (null_value) {
      values_ += "null", tops_ += "null";
      if (raw) raw_ += "null";
      return;
    }
    wire::put_real(values_, s.logprob);
    if (raw) wire::put_real(raw_, *raw);
    std::vector<std::string> names;
    auto const put = [&](std::string n, float value) {
      if (std::find(names.begin(), names.end(), n) != names.end()) return;   // two ids, one string: the likelier stays
      if (!names.empty()) tops_ += ',';
      wire::put_string(tops_, n);
      tops_ += ':';
      wire::put_real(tops_, value);
      names.push_back(std::move(n));
    };
    tops_ += '{';
    for (score const& t : top) put(detail::legacy_name(text, t.id, as_ids), t.value);
    put(name, s.logprob);
    tops_ += '}';
  }

  void put(std::string& out) const {
    out.append("{\"tokens\":[").append(tokens_).append("],\"token_logprobs\":[").append(values_);
    out.append("],\"top_logprobs\":[").append(tops_).append("],\"text_offset\":[").append(offsets_).append("]");
    if (!raw_.empty()) out.append(",\"raw_token_logprobs\":[").append(raw_).append("]");
    out += '}';
  }
  /// Forgets the entries, not the position: the next chunk goes on from here.
  void clear() {
    tokens_.clear(), values_.clear(), tops_.clear(), offsets_.clear(), raw_.clear();
    count_ = 0;
  }

 private:
  static bool is_tail(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u; }
  std::string tokens_, values_, tops_, offsets_, raw_;
  std::size_t count_ = 0;
  std::ptrdiff_t position_ = 0;
};

/// vLLM's `prompt_logprobs`: null for the first token, then {"<id>": {logprob, rank, decoded_token}}, the prompt's own
/// token always among them.
template <class Text> void put_prompt_logprobs(std::string& out, Text const& text, std::vector<kept_score> const& prompt) {
  std::size_t position = 0;
  wire::put_list(out, prompt, [&](kept_score const& s) {
    if (position++ == 0) {
      out += "null";
      return;
    }
    bool first = true;
    auto const put = [&](token id, float value, int rank) {
      out += first ? "{\"" : ",\"";
      first = false;
      wire::put_integer(out, id);
      out += "\":{\"logprob\":";
      wire::put_real(out, value);
      out += ",\"rank\":";
      wire::put_integer(out, rank);
      out += ",\"decoded_token\":";
      wire::put_string(out, detail::bytes_of(text, id));
      out += '}';
    };
    put(s.token.id, s.token.logprob, s.token.rank);
    int rank = 0;
    for (score const& t : s.top)
      if (++rank; t.id != s.token.id) put(t.id, t.value, rank);
    out += '}';
  });
}

}  // namespace verbatim::openai_v1
